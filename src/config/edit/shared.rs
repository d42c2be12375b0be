//! Profiles that several subscriptions share: a change for one of them would be a change for all.

use toml_edit::{Array, Document, Item, Table};

use super::{EditError, blocks, line_of};

/// Refuses a change to a profile of `block` that is in a `[shared.NAME]` table. `wanted` is the one to be changed, if that was
/// said; an own one must be named where there are shared ones beside it.
pub(super) fn refuse(
    text: &str,
    document: &Document<&str>,
    block: &Table,
    wanted: Option<&str>,
) -> Result<(), EditError> {
    let shared: Vec<&str> = names(block).collect();
    let own = block.get("profile").and_then(Item::as_array_of_tables);
    let own: Vec<&str> =
        own.into_iter().flatten().filter_map(|profile| profile.get("name").and_then(Item::as_str)).collect();
    if shared.is_empty() || wanted.is_some_and(|wanted| own.contains(&wanted)) {
        return Ok(());
    }
    let table = |name: &str| document.get("shared").and_then(|shared| shared.get(name));
    let heading = |name: &str| table(name).and_then(|table| table.get("name")).and_then(Item::as_str);
    let is_wanted = |name: &&str| match wanted {
        Some(wanted) => *name == wanted || heading(name) == Some(wanted),
        None => own.is_empty(),
    };
    let Some(name) = shared.iter().copied().find(is_wanted) else {
        return Err(EditError::WhichProfile {
            names: own.iter().chain(&shared).map(|name| (*name).to_owned()).collect(),
        });
    };
    let users = blocks(text, document)?.into_iter().flatten().filter(|other| names(other).any(|other| other == name));
    let users = users.map(|other| other.get("email").and_then(Item::as_array).map_or(1, Array::len)).sum::<usize>();
    let users = if users == 1 { "1 subscription".to_owned() } else { format!("{users} subscriptions") };
    let line = line_of(text, table(name).and_then(Item::span).or(block.span()).unwrap_or_default().start);
    Err(EditError::Shared { name: name.to_owned(), line, users })
}

/// The shared profiles that an entry names.
fn names(block: &Table) -> impl Iterator<Item = &str> {
    block.get("profiles").and_then(Item::as_array).into_iter().flatten().filter_map(|name| name.as_str())
}
