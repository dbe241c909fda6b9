//! Which images of a listing are meant: docker's filters.

use jiff::civil;
use jiff::tz::TimeZone;

use crate::actions::image::find::{Catalog, FindError};
use crate::actions::image::inventory::Item;
use crate::clock::Timestamp;
use crate::oci::ImageName;

/// Filters as they were typed, `name=value`, parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(Vec<Filter>);

/// One filter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Filter {
    Dangling(bool),
    Label { name: String, value: Option<String> },
    NoLabel { name: String, value: Option<String> },
    Before(String),
    Since(String),
    Until(Timestamp),
    Reference(Pattern),
}

/// A pattern for names, by the rules of Go's `path.Match`: `*` and `?` match no slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    One(char),
    Any,
    Several,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

/// What a command knows to filter by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// What a listing does.
    Listing,
    /// What cleaning up does.
    Pruning,
}

/// Why a filter is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// There is none of this name, or nothing behind its name.
    #[error("invalid filter '{}'", name.escape_debug())]
    Unknown {
        /// The name.
        name: String,
    },
    /// A value that it does not take.
    #[error("invalid filter '{name}={}': {problem}", value.escape_debug())]
    Value {
        /// The filter's name.
        name: &'static str,
        /// The value.
        value: String,
        /// What it should be.
        problem: &'static str,
    },
    /// The image that others are compared with is not there, or cannot be read.
    #[error(transparent)]
    Find(#[from] FindError),
}

impl Filters {
    /// Reads filters; `now` is what spans of time count from.
    pub fn parse(typed: &[String], known: Known, now: Timestamp) -> Result<Self, FilterError> {
        typed.iter().map(|text| Filter::parse(text, known, now)).collect::<Result<_, _>>().map(Self)
    }

    /// Adds a pattern for names.
    pub fn and_reference(&mut self, pattern: &str) -> Result<(), FilterError> {
        self.0.push(Filter::reference(pattern)?);
        Ok(())
    }

    /// Takes away what does not pass: every filter must let an image through, but of several
    /// patterns for names one is enough. What cannot be read passes no filter that has to know it.
    pub fn apply(&self, catalog: &Catalog<'_>, items: &mut Vec<Item>) -> Result<(), FilterError> {
        let created_of = |typed: &str| {
            let found = catalog.resolve(typed)?;
            catalog.load(&found, None).map(|image| image.config.created)
        };
        let created = |item: &Item| item.facts.as_ref().ok().map(|facts| facts.created);
        for filter in &self.0 {
            match filter {
                Filter::Dangling(wanted) => items.retain(|item| item.name.is_none() == *wanted),
                Filter::Label { name, value } => {
                    items.retain(|item| has_label(item, name, value.as_deref()) == Some(true));
                }
                Filter::NoLabel { name, value } => {
                    items.retain(|item| has_label(item, name, value.as_deref()) == Some(false));
                }
                // What says no time is older than all that does.
                Filter::Before(typed) => {
                    let than = created_of(typed)?;
                    items.retain(|item| created(item).is_some_and(|created| created < than));
                }
                Filter::Since(typed) => {
                    let than = created_of(typed)?;
                    items.retain(|item| created(item).is_some_and(|created| created > than));
                }
                Filter::Until(end) => {
                    items.retain(|item| created(item).is_some_and(|created| created < Some(*end)));
                }
                Filter::Reference(_) => {}
            }
        }
        let patterns: Vec<&Pattern> = (self.0.iter())
            .filter_map(|filter| match filter {
                Filter::Reference(pattern) => Some(pattern),
                _ => None,
            })
            .collect();
        if !patterns.is_empty() {
            items.retain(|item| {
                let name = item.name.as_ref();
                name.is_some_and(|name| patterns.iter().any(|pattern| pattern.is_for(name)))
            });
        }
        Ok(())
    }
}

impl Filter {
    fn parse(text: &str, known: Known, now: Timestamp) -> Result<Self, FilterError> {
        let unknown = |name: &str| FilterError::Unknown { name: name.to_owned() };
        let (name, value) = text.split_once('=').ok_or_else(|| unknown(text))?;
        // `label!=x` is the filter `label!`.
        let (name, value) = (name.trim().to_lowercase(), value.trim());
        let label = || match value.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (value.to_owned(), None),
        };
        match (name.as_str(), known) {
            ("label", _) => {
                let (name, value) = label();
                Ok(Self::Label { name, value })
            }
            ("until", _) => Self::until(value, now),
            ("label!", Known::Pruning) => {
                let (name, value) = label();
                Ok(Self::NoLabel { name, value })
            }
            ("dangling", Known::Listing) => match value {
                "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(Self::Dangling(true)),
                "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(Self::Dangling(false)),
                _ => Err(FilterError::Value {
                    name: "dangling",
                    value: value.to_owned(),
                    problem: "it is true or false",
                }),
            },
            ("before", Known::Listing) => Ok(Self::Before(value.to_owned())),
            ("since", Known::Listing) => Ok(Self::Since(value.to_owned())),
            ("reference", Known::Listing) => Self::reference(value),
            _ => Err(unknown(&name)),
        }
    }

    fn reference(text: &str) -> Result<Self, FilterError> {
        let wrong = || FilterError::Value {
            name: "reference",
            value: text.to_owned(),
            problem: "it is no pattern",
        };
        Pattern::parse(text).map(Self::Reference).ok_or_else(wrong)
    }

    fn until(text: &str, now: Timestamp) -> Result<Self, FilterError> {
        let end = time(text, now).ok_or_else(|| FilterError::Value {
            name: "until",
            value: text.to_owned(),
            problem: "it is a span such as 24h, a date, a time, or seconds since 1970",
        })?;
        Ok(Self::Until(end))
    }
}

/// A point in time: so long ago, a date or a time (UTC unless it says more), or seconds since 1970.
fn time(text: &str, now: Timestamp) -> Option<Timestamp> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Timestamp::from_second(text.parse().ok()?).ok();
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    if text.contains('-') {
        let local = text.parse::<civil::DateTime>().ok();
        let local = local.or_else(|| Some(text.parse::<civil::Date>().ok()?.at(0, 0, 0, 0)));
        return Some(local?.to_zoned(TimeZone::UTC).ok()?.timestamp());
    }
    let seconds = i64::try_from(go_duration(text)?).ok()?;
    now.checked_sub(jiff::SignedDuration::from_secs(seconds)).ok()
}

/// The whole seconds of a duration as Go writes it, such as `1h30m`; without fractions.
fn go_duration(text: &str) -> Option<u64> {
    let mut seconds = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_alphabetic()).len();
        let (unit, after) = after.split_at_checked(letters)?;
        let number: u64 = number.parse().ok()?;
        let span = match unit {
            "h" => number.checked_mul(3600)?,
            "m" => number.checked_mul(60)?,
            "s" => number,
            "ms" => number / 1000,
            _ => return None,
        };
        seconds = seconds.checked_add(span)?;
        rest = after;
    }
    (!text.is_empty()).then_some(seconds)
}

/// Whether an image has a label; `None` if it cannot be read.
fn has_label(item: &Item, name: &str, value: Option<&str>) -> Option<bool> {
    let facts = item.facts.as_ref().ok()?;
    let found = facts.labels.get(name);
    Some(found.is_some_and(|found| value.is_none_or(|value| found == value)))
}

impl Pattern {
    /// Reads a pattern; `None` if a bracket or a backslash is left open.
    pub fn parse(text: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut rest = text.chars();
        while let Some(letter) = rest.next() {
            pieces.push(match letter {
                '*' => Piece::Several,
                '?' => Piece::Any,
                '\\' => Piece::One(rest.next()?),
                '[' => class(&mut rest)?,
                letter => Piece::One(letter),
            });
        }
        Some(Self(pieces))
    }

    /// Whether it matches the whole of a text.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        // For each number of letters, whether the pieces so far match that many.
        let mut matched = vec![false; text.len() + 1];
        if let Some(nothing) = matched.first_mut() {
            *nothing = true;
        }
        for piece in &self.0 {
            let mut next = vec![false; matched.len()];
            let mut carried = false;
            for (count, slot) in next.iter_mut().enumerate() {
                let before = |set: &[bool]| {
                    count.checked_sub(1).and_then(|at| set.get(at).copied()).unwrap_or_default()
                };
                let letter = count.checked_sub(1).and_then(|at| text.get(at).copied());
                *slot = match piece {
                    Piece::Several => {
                        carried &= letter != Some('/');
                        carried |= matched.get(count).copied().unwrap_or_default();
                        carried
                    }
                    piece => letter.is_some_and(|letter| piece.takes(letter)) && before(&matched),
                };
            }
            matched = next;
        }
        matched.last().copied().unwrap_or_default()
    }

    /// Whether it is for a name: its short or full form, with or without what follows the
    /// repository.
    pub fn is_for(&self, name: &ImageName) -> bool {
        let mut forms = vec![name.familiar(), name.to_string()];
        if let Some(reference) = name.reference() {
            forms.extend([reference.familiar_name(), reference.name()]);
        }
        forms.iter().any(|form| self.matches(form))
    }
}

impl Piece {
    fn takes(&self, letter: char) -> bool {
        match self {
            Self::One(one) => *one == letter,
            Self::Any => letter != '/',
            Self::Several => false,
            Self::Class { negated, ranges } => {
                letter != '/'
                    && ranges.iter().any(|(low, high)| (*low..=*high).contains(&letter)) != *negated
            }
        }
    }
}

/// What follows an opening bracket.
fn class(rest: &mut std::str::Chars<'_>) -> Option<Piece> {
    let negated = rest.as_str().starts_with('^');
    if negated {
        rest.next();
    }
    let mut ranges = Vec::new();
    loop {
        let low = match rest.next()? {
            ']' if !ranges.is_empty() => return Some(Piece::Class { negated, ranges }),
            ']' | '-' => return None,
            '\\' => rest.next()?,
            letter => letter,
        };
        let mut high = low;
        if rest.as_str().starts_with('-') {
            rest.next();
            high = match rest.next()? {
                ']' | '-' => return None,
                '\\' => rest.next()?,
                letter => letter,
            };
        }
        ranges.push((low, high));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    /// What Go's `path.Match` says.
    #[test_case("abc", "abc", true)]
    #[test_case("*", "abc", true)]
    #[test_case("*c", "abc", true)]
    #[test_case("a*", "a", true)]
    #[test_case("a*", "ab/c", false)]
    #[test_case("a*/b", "abc/b", true)]
    #[test_case("a*/b", "a/c/b", false)]
    #[test_case("a*b*c*d*e*/f", "axbxcxdxe/f", true)]
    #[test_case("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false)]
    #[test_case("a*b?c*x", "abxbbxdbxebxczzx", true)]
    #[test_case("a*b?c*x", "abxbbxdbxebxczzy", false)]
    #[test_case("ab[c]", "abc", true)]
    #[test_case("ab[b-d]", "abc", true)]
    #[test_case("ab[e-g]", "abc", false)]
    #[test_case("ab[^c]", "abc", false)]
    #[test_case("ab[^e-g]", "abc", true)]
    #[test_case("a\\*b", "a*b", true)]
    #[test_case("a\\*b", "ab", false)]
    #[test_case("a?b", "a☺b", true)]
    #[test_case("a[^a]b", "a☺b", true)]
    #[test_case("a?b", "a/b", false)]
    #[test_case("a*b", "a/b", false)]
    #[test_case("[\\]a]", "]", true)]
    #[test_case("[\\-x]", "-", true)]
    #[test_case("[x\\-]", "z", false)]
    #[test_case("*x", "xxx", true)]
    #[test_case("", "", true)]
    fn patterns(pattern: &str, text: &str, expected: bool) {
        assert_eq!(Pattern::parse(pattern).unwrap().matches(text), expected);
    }

    #[test_case("[")]
    #[test_case("[a")]
    #[test_case("[]a]")]
    #[test_case("[-]")]
    #[test_case("[x-]")]
    #[test_case("[-x]")]
    #[test_case("a\\")]
    #[test_case("[a-b-c]")]
    fn broken_patterns(text: &str) {
        assert_eq!(Pattern::parse(text), None);
    }

    #[test]
    fn names_in_every_form() {
        let name = ImageName::parse("alpine:3.20").unwrap();
        for text in ["alpine", "alp*", "alpine:*", "*:3.20", "docker.io/library/alpine", "a*:3.2?"]
        {
            assert!(Pattern::parse(text).unwrap().is_for(&name), "{text}");
        }
        for text in ["alpine:3", "*/alpine", "library/alpine", "Alpine"] {
            assert!(!Pattern::parse(text).unwrap().is_for(&name), "{text}");
        }
        assert!(Pattern::parse("v?").unwrap().is_for(&ImageName::Bare("v1".to_owned())));
    }

    fn parse(text: &str, known: Known) -> Result<Filter, FilterError> {
        Filter::parse(text, known, "2026-01-02T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn filters_are_known_or_refused_in_dockers_words() {
        assert_eq!(parse("dangling=1", Known::Listing).unwrap(), Filter::Dangling(true));
        let label = |value: Option<&str>| {
            let value = value.map(str::to_owned);
            Filter::Label { name: "a".to_owned(), value }
        };
        assert_eq!(parse("label=a", Known::Listing).unwrap(), label(None));
        assert_eq!(parse("label=a=b=c", Known::Pruning).unwrap(), label(Some("b=c")));
        assert!(matches!(parse("label!=a", Known::Pruning), Ok(Filter::NoLabel { .. })));
        for (text, known, name) in [
            ("foo=1", Known::Listing, "foo"),
            ("foo", Known::Listing, "foo"),
            ("label!=a", Known::Listing, "label!"),
            ("before=x", Known::Pruning, "before"),
        ] {
            let error = parse(text, known).unwrap_err();
            assert_eq!(error.to_string(), format!("invalid filter '{name}'"));
        }
        for text in ["dangling=maybe", "reference=[", "until=soon", "until=", "until=5x"] {
            let error = parse(text, Known::Listing).unwrap_err();
            assert!(matches!(error, FilterError::Value { .. }), "{text}: {error}");
        }
    }

    #[test_case("24h", "2026-01-01T00:00:00Z")]
    #[test_case("1h30m", "2026-01-01T22:30:00Z")]
    #[test_case("0", "1970-01-01T00:00:00Z")]
    #[test_case("1767225600", "2026-01-01T00:00:00Z")]
    #[test_case("2025-05-06", "2025-05-06T00:00:00Z")]
    #[test_case("2025-05-06T07:08:09", "2025-05-06T07:08:09Z")]
    #[test_case("2025-05-06T07:08:09+02:00", "2025-05-06T05:08:09Z")]
    fn times(text: &str, expected: &str) {
        let expected = Filter::Until(expected.parse().unwrap());
        assert_eq!(parse(&format!("until={text}"), Known::Listing).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn any_text_is_a_pattern_or_none(text in ".{0,20}", name in ".{0,20}") {
            if let Some(pattern) = Pattern::parse(&text) {
                pattern.matches(&name);
            }
            let escaped: String = name.chars().flat_map(|letter| ['\\', letter]).collect();
            prop_assert!(Pattern::parse(&escaped).unwrap().matches(&name));
        }

        #[test]
        fn a_star_for_a_part_without_slash_matches(
            before in "[a-z/:.]{0,8}", part in "[a-z:.]{0,8}", after in "[a-z/:.]{0,8}"
        ) {
            let pattern = Pattern::parse(&format!("{before}*{after}")).unwrap();
            let (plain, slash) = (format!("{before}{part}{after}"), format!("{before}/{part}"));
            prop_assert!(pattern.matches(&plain));
            let prefix = Pattern::parse(&format!("{before}*")).unwrap();
            prop_assert!(!prefix.matches(&slash));
        }

        /// However many stars there are, it does not take long.
        #[test]
        fn many_stars_are_no_trouble(stars in 100_usize..400) {
            let pattern = Pattern::parse(&"*a".repeat(stars)).unwrap();
            prop_assert!(!pattern.matches(&"a".repeat(stars - 1)));
            prop_assert!(pattern.matches(&"a".repeat(stars + 5)));
        }
    }
}
