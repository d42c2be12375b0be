//! What `explain --json` prints: the same facts by their names, and the answer in a sentence beside them.

use std::fmt::Debug;

use serde_json::{Value, json};

use super::super::json::paper as listed;
use super::{mail, next, outlook};
use crate::core::address::Address;
use crate::core::paper::PaperKey;
use crate::explain::{Case, Role};
use crate::store::KnownPaper;

/// Why a subscriber got a paper or did not.
pub(super) fn paper(case: &Case<'_>, address: &Address, paper: &KnownPaper) -> anyhow::Result<Value> {
    let report = case.paper(paper)?;
    let zone = case.subscription().zone;
    let appearances = report.appearances.iter().map(|appearance| {
        let section = match &appearance.role {
            Role::Sent(section) => Some(section),
            _ => None,
        };
        json!({
            "edition": appearance.edition,
            "slot": appearance.slot,
            "role": word(&appearance.role),
            "section": section,
            "mail": mail(appearance.mail, zone),
        })
    });
    let findings = report.findings.iter().map(|(section, explanation)| {
        json!({
            "section": section,
            "verdict": word(&explanation.verdict),
            "because": explanation.to_string().trim_end(),
        })
    });
    Ok(json!({
        "address": address.reveal(),
        "zone": zone,
        "paper": listed(&paper.candidate),
        "first_seen": paper.first_seen,
        "outlook": word(&report.outlook),
        "answer": outlook(case, &report),
        "appearances": appearances.collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
        "next": next(case),
        "obstacles": obstacles(case),
        "ok": true,
    }))
}

/// Why the last edition had what it had.
pub(super) fn edition(case: &Case<'_>, address: &Address) -> anyhow::Result<Value> {
    let zone = case.subscription().zone;
    let report = case.last_edition()?;
    let last = report.as_ref().map(|report| {
        let sections = report.sections.iter().map(|section| {
            let fates = section.fates.iter().map(|(fate, papers)| {
                let titles: Vec<&String> = papers.iter().map(|(_, title)| title).collect();
                json!({"fate": word(fate), "papers": papers.len(), "titles": titles})
            });
            json!({"name": section.name, "fates": fates.collect::<Vec<_>>()})
        });
        json!({
            "edition": report.edition.edition,
            "slot": report.edition.slot,
            "decided": report.edition.decided,
            "looked_at": report.edition.looked_at,
            "mail": mail(report.edition.mail, zone),
            "sections": sections.collect::<Vec<_>>(),
        })
    });
    Ok(json!({
        "address": address.reveal(),
        "zone": zone,
        "last": last,
        "next": next(case),
        "obstacles": obstacles(case),
        "ok": true,
    }))
}

/// Papers that may be meant, when it isn't clear which.
pub(super) fn unclear(address: &Address, name: &str, papers: &[(PaperKey, String)]) -> Value {
    let papers = papers.iter().map(|(key, title)| json!({"key": key, "title": title}));
    json!({"address": address.reveal(), "name": name, "papers": papers.collect::<Vec<_>>(), "ok": false})
}

fn obstacles(case: &Case<'_>) -> Vec<String> {
    case.obstacles().iter().map(word).collect()
}

/// The name of a variant: `too_few_votes`.
fn word(variant: &impl Debug) -> String {
    let text = format!("{variant:?}");
    let name: String = text.chars().take_while(char::is_ascii_alphanumeric).collect();
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::matching::ProfileVerdict;

    #[test]
    fn a_variant_is_named_in_lower_case_and_without_its_contents() {
        assert_eq!(word(&ProfileVerdict::TooFewVotes), "too_few_votes");
        assert_eq!(word(&Role::Sent("Search".to_owned())), "sent");
    }
}
