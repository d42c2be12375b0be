//! The cards of a page, for when its JSON can't be read.
//!
//! A card gives title, votes and comments, and either a number of authors or an organisation; never an abstract (the text
//! on some is a model's). Its markup changes often, so each value is looked for in every place where it has ever been.

use scraper::{ElementRef, Html, Selector};

use super::HuggingFace;
use super::items::{Item, Items};
use super::markup::{self, Pieces};
use crate::core::clean::clean_text;
use crate::core::paper::{Paper, PaperKey};

/// Reads the cards of a page. Articles that link to no paper are something else; a card that is in the page twice, for wide
/// and for narrow screens, counts once.
pub fn parse(html: &str, source: &HuggingFace) -> Items {
    read(&markup::cut(html), source)
}

/// Reads the cards of a page that is cut already, in its order.
pub(super) fn read(pieces: &Pieces<'_>, source: &HuggingFace) -> Items {
    let Some(selectors) = Selectors::new() else { return Items::default() };
    let mut items = Items::default();
    for card in &pieces.cards {
        let card = Html::parse_fragment(card);
        if let Some(item) = selectors.read(card.root_element(), source) {
            items.push(item);
        }
    }
    for _ in 0..pieces.oversized {
        items.lost.add(|| "a card that is too large".to_owned());
    }
    items.cut = pieces.has_more.then(|| "the page has more cards than are looked at".to_owned());
    items
}

struct Selectors {
    title: Selector,
    /// From the most telling to the least: `.leading-none` is also on "Submitted by somebody".
    votes: [Selector; 3],
    comments: Selector,
    organization: Selector,
    image: Selector,
}

impl Selectors {
    /// `None` never happens: the texts are constants.
    fn new() -> Option<Self> {
        let parse = |text| Selector::parse(text).ok();
        Some(Self {
            title: parse(r#"h3 a[href^="/papers/"]"#)?,
            votes: [
                parse(r#"a[href^="/login?next=%2Fpapers%2F"]"#)?,
                parse(r#"[role="checkbox"]"#)?,
                parse(".leading-none")?,
            ],
            comments: parse(r##"a[href$="#community"]"##)?,
            organization: parse(r#"a[href^="/"] span.font-medium"#)?,
            image: parse("img")?,
        })
    }

    fn read(&self, card: ElementRef<'_>, source: &HuggingFace) -> Option<Item> {
        let (id, title) = card.select(&self.title).find_map(|link| {
            let path = link.attr("href")?.strip_prefix("/papers/")?;
            let id = path.split(['?', '#']).next().unwrap_or_default();
            PaperKey::arxiv(id).map(|_| (id, text(link)))
        })?;
        let mut paper = Paper::new(source.paper_key(id), &title, source.paper_url(id).as_str());
        if paper.title.is_empty() {
            id.clone_into(&mut paper.title);
        }
        paper.author_count = author_count(&text(card));
        paper.organization = card.select(&self.organization).find(|name| self.has_image(*name)).map(text);
        let votes = self.votes.iter().flat_map(|selector| card.select(selector)).find_map(|vote_box| {
            let text = text(vote_box);
            // "76" or "Upvote 76": more words are another box.
            if text.split(' ').count() <= 2 { first_count(&text) } else { None }
        });
        let comments = card.select(&self.comments).next().and_then(|link| first_count(&text(link)));
        Some(Item { paper, day: None, upvotes: votes, comments })
    }

    /// Whether the link around `name` has a picture: an organisation's chip, not any other link.
    fn has_image(&self, name: ElementRef<'_>) -> bool {
        let link = name.ancestors().filter_map(ElementRef::wrap).find(|element| element.value().name() == "a");
        link.is_some_and(|link| link.select(&self.image).next().is_some())
    }
}

fn text(element: ElementRef<'_>) -> String {
    clean_text(&element.text().collect::<Vec<_>>().join(" "))
}

/// The first number in a text: `5`, `1,024`, `1.2k`, or `-` for none.
fn first_count(text: &str) -> Option<u32> {
    text.split_whitespace().find_map(|word| match word {
        "-" => Some(0),
        word => count(word),
    })
}

fn count(word: &str) -> Option<u32> {
    let (digits, factor) = match word.strip_suffix(['k', 'K']) {
        Some(thousands) => (thousands, 1000.0),
        None => (word, 1.0),
    };
    let plain = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == ',' || (c == '.' && factor > 1.0));
    let number: f64 = plain.then(|| digits.replace(',', "").parse().ok())??;
    (number * factor <= f64::from(u32::MAX)).then_some((number * factor).round() as u32)
}

/// The number before the word "authors".
fn author_count(text: &str) -> Option<u32> {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.windows(2).find(|pair| matches!(pair[1], "author" | "authors")).and_then(|pair| count(pair[0]))
}

#[cfg(test)]
mod tests {
    use super::super::tests::source;
    use super::*;

    /// Svelte 4, as of 2024.
    const OLD: &str = r##"<div><article class="relative"><a href="/papers/2601.00010" class="peer"><img src="x.png"></a>
        <div class="text-xs leading-none">Submitted by <img alt=""> user 99</div>
        <a href="/login?next=%2Fpapers%2F2601.00010"><div><input type="checkbox"><svg></svg><div class="leading-none">94</div></div></a>
        <h3><a href="/papers/2601.00010" class="line-clamp-3">Counting
           Sheep in $O(n)$</a></h3><ul><li title="someone"></li><li><div><div>·</div> 533 authors </div></li></ul>
        <a href="/papers/2601.00010#community"><svg></svg> 5 </a></article></div>"##;

    /// Svelte 5, as of 2026: the card twice in one article, comments between the nodes, an organisation.
    const NEW: &str = r#"<article><div class="hidden md:flex"><h3><!--[--><a href="/papers/2601.00011v2">Sleep<!----> Early</a></h3>
        <a href="/quiet-farm" class="inline-flex"><!--[0--><img alt="quiet-farm"> <span class="block font-medium">Quiet Farm</span></a>
        <span>Published on Jan 2, 2026</span><div role="checkbox"><svg></svg> Upvote <div class="font-semibold">1.2k</div></div>
        <a href="https://example.org/code"><span>GitHub</span> <span>86.1k</span></a></div>
        <div class="md:hidden"><h3><a href="/papers/2601.00011v2">Sleep Early</a></h3><div role="checkbox"> Upvote <div>1.2k</div></div></div></article>
        <article><h3><a href="/papers/2601.00012">No Votes</a></h3><span>1 author</span><div role="checkbox">Upvote <div>-</div></div></article>
        <article><h3><a href="/papers/2601.00011">Sleep Early</a></h3></article>
        <article><h3><a href="/papers/submit">Submit</a></h3></article>"#;

    #[test]
    fn a_card_of_2024_is_read() {
        let items = parse(OLD, &source());
        let [Item { paper, upvotes, comments, .. }] = items.items.as_slice() else { panic!("one card: {items:?}") };
        assert_eq!((paper.key.as_str(), paper.title.as_str()), ("arxiv:2601.00010", "Counting Sheep in $O(n)$"));
        assert_eq!(
            (*upvotes, *comments, paper.author_count, &paper.organization),
            (Some(94), Some(5), Some(533), &None)
        );
    }

    #[test]
    fn doubled_cards_of_2026_count_once_and_a_dash_is_no_vote() {
        let items = parse(NEW, &source()).items;
        let rows: Vec<_> = items
            .iter()
            .map(|i| (i.paper.title.as_str(), i.upvotes, i.paper.author_count, i.paper.organization.as_deref()))
            .collect();
        assert_eq!(rows, [("Sleep Early", Some(1200), None, Some("Quiet Farm")), ("No Votes", Some(0), Some(1), None)]);
        assert_eq!(items[0].paper.key.as_str(), "arxiv:2601.00011", "without the version");
        assert_eq!(items[0].comments, None, "no link is no knowledge");
    }

    #[test]
    fn a_number_in_somebodys_name_is_no_vote() {
        let card = r#"<article><h3><a href="/papers/2601.00010">Sheep</a></h3><div class="leading-none">Submitted by user 99</div>
            <label><div class="leading-none">3</div></label></article>"#;
        assert_eq!(parse(card, &source()).items[0].upvotes, Some(3));
    }

    #[test]
    fn counts_are_whole_words() {
        for (text, read) in [
            ("Upvote 76", Some(76)),
            ("1,024", Some(1024)),
            ("2.5k", Some(2500)),
            ("v2", None),
            ("1.5", None),
            ("", None),
            ("99999999999", None),
        ] {
            assert_eq!(first_count(text), read, "{text:?}");
        }
    }
}
