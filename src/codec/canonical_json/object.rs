//! The members of an object: a sorted list, for most objects have one or two members and a
//! repository can have ten thousand tags of three objects each.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::codec::canonical_json::Value;

/// A member's name; those that every target repeats are not stored each time.
type Name = Cow<'static, str>;

/// Members by name, each name once, in the order of their UTF-8 bytes, which is the canonical one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Object(Vec<(Name, Value)>);

impl Object {
    /// Returns an object without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns how many members there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the member of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let place = self.find(name).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    /// Returns the member of that name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        let place = self.find(name).ok()?;
        self.0.get_mut(place).map(|(_, value)| value)
    }

    /// Tells whether there is a member of that name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// Sets a member, and returns what it was before. Takes time in proportion to the members
    /// there are: many are better collected.
    pub fn insert(&mut self, name: impl Into<Name>, value: Value) -> Option<Value> {
        let name = name.into();
        match self.find(&name) {
            Ok(place) => self.0.get_mut(place).map(|(_, before)| std::mem::replace(before, value)),
            Err(place) => {
                self.0.insert(place, (name, value));
                None
            }
        }
    }

    /// Takes a member away.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let place = self.find(name).ok()?;
        Some(self.0.remove(place).1)
    }

    /// Returns the members in order.
    pub fn iter(&self) -> Members<'_> {
        let pair: fn(&(Name, Value)) -> (&str, &Value) = |(name, value)| (name, value);
        self.0.iter().map(pair)
    }

    /// Returns the names in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_ref())
    }

    /// Returns the members' values, in the order of their names.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().map(|(_, value)| value)
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.as_ref().cmp(name))
    }
}

/// Members in order.
pub type Members<'a> = std::iter::Map<
    std::slice::Iter<'a, (Name, Value)>,
    fn(&'a (Name, Value)) -> (&'a str, &'a Value),
>;

impl<'a> IntoIterator for &'a Object {
    type Item = (&'a str, &'a Value);
    type IntoIter = Members<'a>;

    fn into_iter(self) -> Members<'a> {
        self.iter()
    }
}

impl IntoIterator for Object {
    type Item = (Name, Value);
    type IntoIter = std::vec::IntoIter<(Name, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<K: Into<Name>> FromIterator<(K, Value)> for Object {
    /// Of members of the same name the last one counts.
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(members: I) -> Self {
        let members = members.into_iter();
        let mut gathered = Gathered {
            ascending: Vec::with_capacity(members.size_hint().0),
            ..Gathered::default()
        };
        for (name, value) in members {
            if let Err((name, value)) = gathered.add(name.into(), value) {
                gathered.replace(name, value);
            }
        }
        gathered.into_object()
    }
}

impl<K: Into<Name>, const N: usize> From<[(K, Value); N]> for Object {
    fn from(members: [(K, Value); N]) -> Self {
        members.into_iter().collect()
    }
}

/// Members while they are read: a list as long as they come in order, which is how both programs
/// write them; a map as soon as one does not, so that no order makes reading slow.
#[derive(Default)]
pub(super) struct Gathered {
    ascending: Vec<(Name, Value)>,
    any_order: BTreeMap<Name, Value>,
}

impl Gathered {
    /// Adds a member, or gives it back if there is one of that name.
    pub(super) fn add(&mut self, name: Name, value: Value) -> Result<(), (Name, Value)> {
        if self.any_order.is_empty() {
            match self.ascending.last() {
                Some((last, _)) if *last == name => return Err((name, value)),
                Some((last, _)) if *last > name => {
                    self.any_order = std::mem::take(&mut self.ascending).into_iter().collect();
                }
                _ => {
                    self.ascending.push((name, value));
                    return Ok(());
                }
            }
        }
        if self.any_order.contains_key(&name) {
            return Err((name, value));
        }
        self.any_order.insert(name, value);
        Ok(())
    }

    fn replace(&mut self, name: Name, value: Value) {
        match self.ascending.last_mut() {
            Some((last, before)) if *last == name => *before = value,
            _ => {
                self.any_order.insert(name, value);
            }
        }
    }

    /// Returns the object, without spare room.
    pub(super) fn into_object(self) -> Object {
        if !self.any_order.is_empty() {
            return Object(self.any_order.into_iter().collect());
        }
        let mut members = self.ascending;
        members.shrink_to_fit();
        Object(members)
    }
}

/// The names that stand in every target: of six letters, all of them.
const FREQUENT: [&str; 5] = ["hashes", "length", "sha256", "sha512", "custom"];

/// Returns the name if it is one of those that need not be stored each time.
pub(super) fn frequent(name: &[u8]) -> Option<&'static str> {
    FREQUENT.into_iter().find(|known| known.as_bytes() == name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_a_map(
            members in prop::collection::vec(("[a-d]{0,2}", any::<i64>()), 0..12),
            more in prop::collection::vec(("[a-d]{0,2}", any::<i64>()), 0..6),
            gone in prop::collection::vec("[a-d]{0,2}", 0..6),
        ) {
            let mut map: BTreeMap<String, Value> =
                members.iter().map(|(name, number)| (name.clone(), Value::Int(*number))).collect();
            let mut object: Object =
                members.iter().map(|(name, number)| (name.clone(), Value::Int(*number))).collect();
            for (name, number) in more {
                prop_assert_eq!(
                    object.insert(name.clone(), Value::Int(number)),
                    map.insert(name, Value::Int(number))
                );
            }
            for name in gone {
                prop_assert_eq!(object.contains_key(&name), map.contains_key(&name));
                prop_assert_eq!(object.get(&name), map.get(&name));
                prop_assert_eq!(object.remove(&name), map.remove(&name));
            }
            prop_assert_eq!(object.len(), map.len());
            prop_assert!(object.keys().eq(map.keys().map(String::as_str)));
            prop_assert!(object.values().eq(map.values()));
        }
    }
}
