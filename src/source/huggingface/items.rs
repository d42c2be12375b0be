//! The items of a list, what of it is missing, and how several lists become the listings of one read.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;

use super::super::Lost;
use crate::core::paper::{Listed, Listing, Paper, PaperKey, SourceId};

/// The items of one list, in its order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Items {
    /// What could be understood, each paper once.
    pub items: Vec<Item>,
    /// What could not.
    pub lost: Lost,
    /// Why papers may be missing after these; `None` for a list that was read to its end.
    pub cut: Option<String>,
    keys: HashSet<PaperKey>,
}

/// One item of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The paper.
    pub paper: Paper,
    /// The day it says it is listed under.
    pub day: Option<NaiveDate>,
    /// Votes.
    pub upvotes: Option<u32>,
    /// Comments.
    pub comments: Option<u32>,
}

impl Items {
    /// Adds an item, unless the list has its paper already.
    pub(super) fn push(&mut self, item: Item) {
        if self.keys.insert(item.paper.key.clone()) {
            self.items.push(item);
        }
    }

    /// Adds the next page of the list.
    pub(super) fn append(&mut self, other: Items) {
        self.lost.append(other.lost);
        self.cut = self.cut.take().or(other.cut);
        other.items.into_iter().for_each(|item| self.push(item));
    }
}

/// The listings of several lists. A paper that was listed again says its new day in the old list too; then the list of
/// that very day knows its rank.
#[derive(Default)]
pub(super) struct Collected {
    pub(super) listed: Vec<Listed>,
    /// Where a paper's listing of a day is, and whether that day's own list brought it.
    places: HashMap<(PaperKey, NaiveDate), (usize, bool)>,
}

impl Collected {
    pub(super) fn add(&mut self, items: Vec<Item>, source: &SourceId, asked: Option<NaiveDate>, today: NaiveDate) {
        for (item, rank) in items.into_iter().zip(1..) {
            let day = match asked {
                Some(asked) => item.day.unwrap_or(asked),
                None => today,
            };
            let own = asked.is_none_or(|asked| asked == day);
            let key = (item.paper.key.clone(), day);
            let (upvotes, comments) = (item.upvotes, item.comments);
            let listing = Listing { source: source.clone(), day, rank, upvotes, comments };
            let listed = Listed { paper: item.paper, aliases: Vec::new(), listing };
            match self.places.get(&key) {
                None => {
                    self.places.insert(key, (self.listed.len(), own));
                    self.listed.push(listed);
                }
                Some(&(place, false)) if own => {
                    self.listed[place] = listed;
                    self.places.insert(key, (place, true));
                }
                Some(_) => {}
            }
        }
    }
}
