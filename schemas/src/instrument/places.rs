//! Where the parts of an instrument are, found once: a submission is understood and scored without looking for names.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Name;
use super::definition::{Definition, OptionList, ScoreRule};

/// The parts of an instrument by their places in its definition.
#[derive(Debug)]
pub(super) struct Places {
    by_link_id: HashMap<Name, usize>,
    /// The places of all items in the order of their linkIds.
    sorted: Vec<usize>,
    items: Vec<ItemPlace>,
    scores: Vec<Operands>,
}

/// An item, at its place.
#[derive(Debug)]
pub(super) struct ItemPlace {
    pub(super) link_id: Name,
    /// Its place in the order of linkIds.
    pub(super) rank: usize,
    options: Option<Arc<OptionList>>,
}

/// The places of the items that a score is made of, at its own place.
#[derive(Debug)]
pub(super) struct Operands {
    /// Of a sum.
    pub(super) items: Vec<usize>,
    /// Of a PRO-CTCAE grade: frequency, severity, interference.
    pub(super) attributes: [Option<usize>; 3],
}

impl Places {
    /// Of a definition without problems.
    pub(super) fn of(definition: &Definition) -> Self {
        let link_ids = definition.items.iter().enumerate().map(|(place, item)| (item.link_id, place));
        let by_link_id: HashMap<Name, usize> = link_ids.clone().collect();
        let in_order: BTreeMap<Name, usize> = link_ids.collect();
        let sorted: Vec<usize> = in_order.into_values().collect();
        let lists = definition.lists.iter().map(|(name, list)| (*name, Arc::new(list.clone())));
        let lists: BTreeMap<Name, Arc<OptionList>> = lists.collect();
        let items = definition.items.iter().enumerate().map(|(place, item)| ItemPlace {
            link_id: item.link_id,
            rank: sorted.iter().position(|other| *other == place).unwrap_or_default(),
            options: item.list.and_then(|name| lists.get(&name).cloned()),
        });
        let items: Vec<ItemPlace> = items.collect();
        let scores = definition.scores.iter().map(|rule| operands(rule, &by_link_id)).collect();
        Self { by_link_id, sorted, items, scores }
    }

    /// All items, in the instrument's order.
    pub(super) fn items(&self) -> &[ItemPlace] {
        &self.items
    }

    /// What each score is made of, in the instrument's order.
    pub(super) fn scores(&self) -> &[Operands] {
        &self.scores
    }

    /// The options of the item at that place.
    pub(super) fn options(&self, place: usize) -> Option<&OptionList> {
        self.items.get(place)?.options.as_deref()
    }

    /// The place of an item. Answers mostly come in the instrument's order or in that of their linkIds: what follows
    /// the one `before` in either is found without a hash.
    pub(super) fn find(&self, link_id: &str, before: Option<usize>) -> Option<usize> {
        let is_at = |place: usize| self.items.get(place).is_some_and(|item| item.link_id == *link_id);
        let next = before.map_or(0, |place| place + 1);
        if is_at(next) {
            return Some(next);
        }
        let rank = before.and_then(|place| self.items.get(place)).map_or(0, |item| item.rank + 1);
        let next = self.sorted.get(rank).copied().filter(|place| is_at(*place));
        next.or_else(|| self.by_link_id.get(link_id).copied())
    }
}

fn operands(rule: &ScoreRule, by_link_id: &HashMap<Name, usize>) -> Operands {
    // A file whose scores name an item that it doesn't have was refused. Nothing is ever answered at this place.
    let place = |link_id: Name| by_link_id.get(&link_id).copied().unwrap_or(usize::MAX);
    Operands {
        items: rule.items.iter().copied().map(place).collect(),
        attributes: [rule.frequency, rule.severity, rule.interference].map(|item| item.map(place)),
    }
}

#[cfg(test)]
mod tests {
    use crate::instrument::Instruments;

    #[test]
    fn ranks_are_the_order_of_link_ids() {
        for instrument in Instruments::shipped().unwrap().iter() {
            let mut items: Vec<_> = instrument.places.items().iter().collect();
            items.sort_unstable_by_key(|item| item.rank);
            assert!(items.is_sorted_by(|one, next| one.rank + 1 == next.rank && one.link_id < next.link_id));
        }
    }

    #[test]
    fn every_item_is_found_whatever_came_before_it() {
        for instrument in Instruments::shipped().unwrap().iter() {
            let count = instrument.places.items().len();
            let before = || (0..=count).map(|place| place.checked_sub(1));
            for (place, item) in instrument.places.items().iter().enumerate() {
                assert!(before().all(|before| instrument.places.find(&item.link_id, before) == Some(place)));
            }
            assert!(before().all(|before| instrument.places.find("no item", before).is_none()));
        }
    }
}
