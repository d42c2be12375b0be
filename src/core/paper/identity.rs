//! Which names mean the same paper.
//!
//! A paper has one present key and any number of other names: those that were its keys before, and those that a source claims for
//! it, such as the DOI under which a preprint was published. [`resolve`] tells which papers the items of a read are: new ones,
//! known ones, or several known ones that a name turns out to join.
//!
//! To join two papers can't be undone, and to leave them apart costs one reader one paper twice. So in doubt nothing is joined:
//!
//! - Two arXiv identifiers are two papers, whatever both claim.
//! - Two keys of one kind, such as two DOIs, are one paper only if one of them claims the other. A third name that both claim, such
//!   as an issue's DOI on each of its articles, proves nothing.
//! - A name that two papers claim is *disputed* from then on, and joins nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::PaperKey;

/// What a name means so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It is or was the key of this paper.
    Own(u32),
    /// A source claims it for this paper.
    Claimed(u32),
    /// Several papers claim it.
    Disputed,
}

/// What is known of the names in a read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// What each name means; unknown ones are left out.
    pub names: BTreeMap<PaperKey, Meaning>,
    /// The keys that each paper in `names` has and had, the present one first.
    pub keys: BTreeMap<u32, Vec<PaperKey>>,
}

/// A paper that a read lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The papers that it was so far, by number: none for a new one. Several are one from now on, which keeps the first number: an
    /// edition that has any of them is never taken for older than the paper.
    pub papers: Vec<u32>,
    /// Names that nobody claimed for it before.
    pub claims: BTreeSet<PaperKey>,
}

/// Which papers a read lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The papers, by the key that they have from now on.
    pub identities: BTreeMap<PaperKey, Identity>,
    /// By an item's key: its paper's.
    pub keys: BTreeMap<PaperKey, PaperKey>,
    /// Names that are disputed from now on.
    pub disputed: BTreeSet<PaperKey>,
    /// Keys that some name would have joined and that are left apart.
    pub apart: Vec<BTreeSet<PaperKey>>,
}

/// The other names of each item, by its key.
pub type Items<'a> = BTreeMap<&'a PaperKey, BTreeSet<&'a PaperKey>>;

/// Tells which papers the items are.
pub fn resolve(items: &Items<'_>, register: &Register) -> Resolved {
    let mut resolved = Resolved::default();
    for group in groups(items, register) {
        let strong = group.strong(items, register);
        if group.is_in_doubt(&strong, items, register) {
            for key in &group.items {
                let paper = match register.names.get(*key) {
                    Some(Meaning::Own(paper)) => Some(*paper),
                    _ => None,
                };
                let present = paper.and_then(|paper| register.keys.get(&paper)?.first()).unwrap_or(key);
                resolved.keys.insert((*key).clone(), present.clone());
                resolved.identities.entry(present.clone()).or_default().papers = paper.into_iter().collect();
            }
            let weak = group.names.iter().copied().filter(|name| !strong.contains(name));
            resolved.disputed.extend(weak.filter(|name| group.claimants(name, items, register) > 1).cloned());
            resolved.apart.push(strong.into_iter().cloned().collect());
            continue;
        }
        let own = || group.papers.iter().filter_map(|paper| register.keys.get(paper)).flatten();
        // `min_by_key` takes the first of equals: a paper keeps its key unless there is a better one.
        let Some(key) = own().chain(strong.iter().copied()).min_by_key(|key| key.kind()).cloned() else { continue };
        let is_known = |name: &PaperKey| match register.names.get(name) {
            Some(Meaning::Own(_) | Meaning::Claimed(_)) => true,
            Some(Meaning::Disputed) | None => false,
        };
        let claims = group.names.iter().copied().filter(|name| **name != key && !is_known(name)).cloned().collect();
        resolved.keys.extend(group.items.iter().map(|item| ((*item).clone(), key.clone())));
        resolved.identities.insert(key, Identity { papers: group.papers.into_iter().collect(), claims });
    }
    resolved
}

/// Items, names and papers that hang together by what is claimed.
#[derive(Default)]
struct Group<'a> {
    items: BTreeSet<&'a PaperKey>,
    names: BTreeSet<&'a PaperKey>,
    papers: BTreeSet<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Node<'a> {
    Name(&'a PaperKey),
    Paper(u32),
}

fn groups<'a>(items: &Items<'a>, register: &Register) -> Vec<Group<'a>> {
    let mut links: BTreeMap<Node<'a>, Vec<Node<'a>>> = BTreeMap::new();
    let mut link = |a, b| {
        links.entry(a).or_default().push(b);
        links.entry(b).or_default().push(a);
    };
    for (key, aliases) in items {
        for name in aliases.iter().copied().chain([*key]) {
            match register.names.get(name) {
                Some(Meaning::Disputed) => continue,
                Some(Meaning::Own(paper) | Meaning::Claimed(paper)) => link(Node::Name(name), Node::Paper(*paper)),
                None => {}
            }
            link(Node::Name(key), Node::Name(name));
        }
    }
    let mut seen = BTreeSet::new();
    let mut groups = Vec::new();
    for key in items.keys() {
        let mut group = Group::default();
        let mut waiting = vec![Node::Name(key)];
        while let Some(node) = waiting.pop() {
            if !seen.insert(node) {
                continue;
            }
            match node {
                Node::Name(name) => {
                    group.names.insert(name);
                    group.items.extend(items.contains_key(name).then_some(name));
                }
                Node::Paper(paper) => {
                    group.papers.insert(paper);
                }
            }
            waiting.extend(links.get(&node).into_iter().flatten());
        }
        groups.extend((!group.items.is_empty()).then_some(group));
    }
    groups
}

impl<'a> Group<'a> {
    /// The names that are a paper by themselves: keys of items and papers, and arXiv identifiers.
    fn strong<'r>(&self, items: &Items<'_>, register: &'r Register) -> BTreeSet<&'r PaperKey>
    where
        'a: 'r,
    {
        let own = self.papers.iter().filter_map(|paper| register.keys.get(paper)).flatten();
        let names = self.names.iter().copied();
        names.filter(|name| items.contains_key(name) || name.arxiv_id().is_some()).chain(own).collect()
    }

    /// Whether two of them can't be told to be one paper.
    fn is_in_doubt(&self, strong: &BTreeSet<&PaperKey>, items: &Items<'_>, register: &Register) -> bool {
        let is_one = |a: &PaperKey, b: &PaperKey| {
            self.papers
                .iter()
                .filter_map(|paper| register.keys.get(paper))
                .any(|keys| keys.contains(a) && keys.contains(b))
        };
        let claims = |a: &PaperKey, b: &PaperKey| {
            items.get(a).is_some_and(|aliases| aliases.contains(b))
                || matches!(register.names.get(b), Some(Meaning::Claimed(paper))
                    if register.keys.get(paper).is_some_and(|keys| keys.contains(a)))
        };
        let are_apart = |a: &PaperKey, b: &PaperKey| {
            let are_claimed = || a.arxiv_id().is_none() && (claims(a, b) || claims(b, a));
            a.namespace() == b.namespace() && !is_one(a, b) && !are_claimed()
        };
        let strong: Vec<&PaperKey> = strong.iter().copied().collect();
        strong.iter().enumerate().any(|(at, a)| strong[..at].iter().any(|b| are_apart(a, b)))
    }

    /// How many papers claim a name.
    fn claimants(&self, name: &PaperKey, items: &Items<'_>, register: &Register) -> usize {
        let claims = self.items.iter().filter(|key| items.get(*key).is_some_and(|aliases| aliases.contains(name)));
        let by_items: BTreeSet<_> = claims
            .map(|key| match register.names.get(*key) {
                Some(Meaning::Own(paper)) => Node::Paper(*paper),
                _ => Node::Name(key),
            })
            .collect();
        let known = match register.names.get(name) {
            Some(Meaning::Claimed(paper)) => Some(Node::Paper(*paper)),
            _ => None,
        };
        by_items.into_iter().chain(known).collect::<BTreeSet<_>>().len()
    }
}

impl PaperKey {
    /// What kind of name it is: `arxiv`, `doi`, or the source whose own it is.
    fn namespace(&self) -> &str {
        self.as_str().split_once(':').map_or("", |(namespace, _)| namespace)
    }

    /// The better kind of key first.
    fn kind(&self) -> u8 {
        match self.namespace() {
            "arxiv" => 0,
            "doi" => 1,
            _ => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(name: &str) -> PaperKey {
        PaperKey::from_stored(name.to_owned())
    }

    /// A register of papers by their keys and of claims.
    fn register(papers: &[(u32, &[&str])], claims: &[(&str, u32)]) -> Register {
        let keys: BTreeMap<u32, Vec<PaperKey>> =
            papers.iter().map(|(paper, keys)| (*paper, keys.iter().map(|name| key(name)).collect())).collect();
        let own = keys.iter().flat_map(|(paper, keys)| keys.iter().map(|key| (key.clone(), Meaning::Own(*paper))));
        let claimed = claims.iter().map(|(name, paper)| (key(name), Meaning::Claimed(*paper)));
        Register { names: claimed.chain(own).collect(), keys }
    }

    /// What items, each with its key first, are: `key=papers+claims`, then what is disputed.
    fn check(items: &[&[&str]], register: &Register, expected: &str) {
        let named: Vec<Vec<PaperKey>> =
            items.iter().map(|names| names.iter().map(|name| key(name)).collect()).collect();
        let mut by_key = Items::new();
        for names in &named {
            by_key.entry(&names[0]).or_default().extend(&names[1..]);
        }
        let resolved = resolve(&by_key, register);
        let identity = |(key, identity): (&PaperKey, &Identity)| {
            let papers: Vec<_> = identity.papers.iter().map(u32::to_string).collect();
            let claims: String = identity.claims.iter().map(|name| format!("+{name}")).collect();
            format!("{key}={}{claims}", papers.join(","))
        };
        let mut got: Vec<String> = resolved.identities.iter().map(identity).collect();
        got.extend(resolved.disputed.iter().map(|name| format!("?{name}")));
        assert_eq!(got.join(" "), expected, "{items:?}");
    }

    #[test]
    fn a_paper_is_known_by_each_of_its_names() {
        let none = Register::default();
        check(&[&["arxiv:1", "doi:j/1"]], &none, "arxiv:1=+doi:j/1");
        check(&[&["doi:j/1", "arxiv:1"]], &none, "arxiv:1=+doi:j/1");
        check(&[&["arxiv:1", "doi:j/1"], &["doi:j/1"]], &none, "arxiv:1=+doi:j/1");
        let known = register(&[(7, &["arxiv:1", "feed:9"])], &[("doi:j/1", 7)]);
        for name in ["arxiv:1", "doi:j/1", "feed:9"] {
            check(&[&[name]], &known, "arxiv:1=7");
        }
        check(&[&["arxiv:1", "pmid:3"], &["arxiv:2"]], &known, "arxiv:1=7+pmid:3 arxiv:2=");
    }

    #[test]
    fn a_name_joins_papers_and_the_better_key_stays() {
        let known = register(&[(3, &["doi:j/1"]), (7, &["arxiv:1"]), (9, &["feed:2"])], &[]);
        check(&[&["arxiv:1", "doi:j/1"]], &known, "arxiv:1=3,7");
        check(&[&["doi:j/1", "feed:2"]], &known, "doi:j/1=3,9");
        let late = register(&[(3, &["feed:2"]), (9, &["doi:j/1"])], &[]);
        check(&[&["doi:j/1", "feed:2"]], &late, "doi:j/1=3,9");
        let preprint = register(&[(3, &["doi:p/1"]), (4, &["doi:j/1"])], &[]);
        check(&[&["doi:p/1", "doi:j/1"]], &preprint, "doi:p/1=3,4");
        let claimed = register(&[(3, &["doi:p/1"])], &[("doi:j/1", 3)]);
        check(&[&["doi:j/1"]], &claimed, "doi:p/1=3");
    }

    #[test]
    fn a_doi_that_two_arxiv_ids_claim_joins_nothing() {
        check(&[&["arxiv:1", "doi:j/1"], &["arxiv:2", "doi:j/1"]], &Register::default(), "arxiv:1= arxiv:2= ?doi:j/1");
        let known = register(&[(3, &["arxiv:1"])], &[("doi:j/1", 3)]);
        check(&[&["arxiv:2", "doi:j/1"]], &known, "arxiv:2= ?doi:j/1");
        let own = register(&[(3, &["arxiv:1", "doi:j/1"])], &[]);
        check(&[&["arxiv:2", "doi:j/1"]], &own, "arxiv:2=");
        let mut disputed = register(&[(3, &["arxiv:1"])], &[]);
        disputed.names.insert(key("doi:j/1"), Meaning::Disputed);
        check(&[&["doi:j/1"], &["arxiv:1", "doi:j/1"]], &disputed, "arxiv:1=3 doi:j/1=");
    }

    #[test]
    fn a_doi_that_is_on_every_article_of_an_issue_joins_nothing() {
        let items: [&[&str]; 2] = [&["doi:j/1", "doi:j/issue"], &["doi:j/2", "doi:j/issue"]];
        check(&items, &Register::default(), "doi:j/1= doi:j/2= ?doi:j/issue");
        let known = register(&[(3, &["doi:j/1"])], &[("doi:j/issue", 3)]);
        check(&items[1..], &known, "doi:j/2= ?doi:j/issue");
    }

    #[test]
    fn a_name_that_one_paper_alone_claims_is_not_disputed_though_the_paper_is_in_doubt() {
        let items: [&[&str]; 2] = [&["arxiv:1", "doi:j/1", "pmid:9"], &["arxiv:2", "doi:j/1"]];
        check(&items, &Register::default(), "arxiv:1= arxiv:2= ?doi:j/1");
        // Two keys of one paper are one claimant.
        let known = register(&[(3, &["arxiv:1", "feed:1"])], &[]);
        let items: [&[&str]; 3] = [&["arxiv:1", "pmid:9"], &["feed:1", "pmid:9"], &["arxiv:2", "feed:1"]];
        check(&items, &known, "arxiv:1=3 arxiv:2=");
    }

    #[test]
    fn a_chain_of_names_joins_no_two_arxiv_ids_either() {
        let items: [&[&str]; 3] = [&["arxiv:1", "doi:j/1"], &["doi:j/1", "feed:1"], &["arxiv:2", "feed:1"]];
        check(&items, &Register::default(), "arxiv:1= arxiv:2= doi:j/1= ?feed:1");
    }

    fn any_items() -> impl Strategy<Value = Vec<Vec<PaperKey>>> {
        let name = prop_oneof!["arxiv:[1-3]", "doi:[1-3]", "feed:[1-3]"];
        let item = proptest::collection::vec(name.prop_map(|name| key(&name)), 1..4);
        proptest::collection::vec(item, 0..6)
    }

    /// What the store does with a read.
    fn apply(register: &mut Register, resolved: &Resolved) {
        for name in &resolved.disputed {
            register.names.insert(name.clone(), Meaning::Disputed);
        }
        for (present, identity) in &resolved.identities {
            let number = identity.papers.first().copied().unwrap_or(register.keys.len() as u32 + 100);
            let mut keys = vec![present.clone()];
            for paper in &identity.papers {
                keys.extend(
                    register.keys.insert(*paper, Vec::new()).into_iter().flatten().filter(|key| key != present),
                );
            }
            for meaning in register.names.values_mut() {
                if matches!(meaning, Meaning::Claimed(paper) if identity.papers.contains(paper)) {
                    *meaning = Meaning::Claimed(number);
                }
            }
            register.names.extend(identity.claims.iter().map(|name| (name.clone(), Meaning::Claimed(number))));
            register.names.extend(keys.iter().map(|key| (key.clone(), Meaning::Own(number))));
            register.keys.insert(number, keys);
        }
    }

    fn by_key(items: &[Vec<PaperKey>]) -> Items<'_> {
        let mut by_key = Items::new();
        for names in items {
            by_key.entry(&names[0]).or_default().extend(&names[1..]);
        }
        by_key
    }

    proptest! {
        #[test]
        fn no_paper_ever_has_two_arxiv_ids_and_a_read_that_is_repeated_changes_nothing(
            reads in proptest::collection::vec(any_items(), 1..6),
        ) {
            let mut register = Register::default();
            for items in &reads {
                let items = by_key(items);
                let resolved = resolve(&items, &register);
                prop_assert!(items.keys().all(|key| resolved.identities.contains_key(&resolved.keys[*key])));
                apply(&mut register, &resolved);
                for keys in register.keys.values() {
                    prop_assert!(keys.iter().filter(|key| key.arxiv_id().is_some()).count() <= 1, "{:?}", keys);
                }
            }
            // What a dispute leaves apart may take another read to settle.
            let items = by_key(&reads[reads.len() - 1]);
            for _ in 0..2 {
                let resolved = resolve(&items, &register);
                apply(&mut register, &resolved);
            }
            let settled = register.clone();
            apply(&mut register, &resolve(&items, &settled));
            prop_assert_eq!(register, settled);
        }
    }
}
