//! Nodes into values of `serde`: of every mistake it is known where it is, and which key was meant.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected,
    IntoDeserializer, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};

use crate::server::config::ConfigError;
use crate::server::config::document::{Key, Node, Value};
use crate::server::config::error::Place;

/// A section that another module knows the structure of.
#[derive(Clone)]
pub struct Raw {
    path: String,
    node: Node,
}

impl Raw {
    /// A section, and the key that it stands under.
    pub fn new(path: &str, node: Node) -> Self {
        Self { path: path.to_owned(), node }
    }

    /// A section written in YAML, for tests.
    pub fn parse(path: &str, text: &str) -> Result<Self, ConfigError> {
        Ok(Self::new(path, crate::server::config::document::parse(text, None)?))
    }

    /// Reads the section. Unknown keys are only found if the type denies them
    /// (`#[serde(deny_unknown_fields)]`); an error names the whole key and its place.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        decode(&self.node, &self.path)
    }

    /// A mistake that only the section's reader finds: `path` is the key below the section, and
    /// `problem` reads "is …".
    pub fn wrong(&self, path: &str, problem: impl Into<String>) -> ConfigError {
        let found = if path.is_empty() { None } else { self.node.find(path) };
        let place = found.map_or(&self.node.place, |(key, _)| &key.place).clone();
        let path = [self.path.as_str(), path].join(".");
        let path = path.trim_end_matches('.').to_owned();
        ConfigError::Wrong { place, path, problem: problem.into() }
    }
}

impl fmt::Debug for Raw {
    /// Not its values: there may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({})", self.path)
    }
}

/// Reads a value of a node that stands at a path, which is empty for a whole document.
pub fn decode<T: DeserializeOwned>(node: &Node, path: &str) -> Result<T, ConfigError> {
    let root = Path::Root(path);
    let fault = match T::deserialize(Walk { node, path: &root }) {
        Ok(value) => return Ok(value),
        Err(fault) => fault.at(&node.place, &root),
    };
    let (place, path) = fault.at.unwrap_or_else(|| (node.place.clone(), path.to_owned()));
    Err(match fault.kind {
        Kind::Unknown { name, known } => {
            let path = if path.is_empty() { name.clone() } else { path };
            let nearest = nearest(&name, known).map(|nearest| {
                let above = path.rsplit_once('.').map(|(above, _)| format!("{above}."));
                format!("{}{nearest}", above.unwrap_or_default())
            });
            ConfigError::Unknown { place, path, nearest, known }
        }
        Kind::Other(problem) => ConfigError::Wrong { place, path, problem },
    })
}

/// The known name that a misspelt one is most like.
pub fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let name = name.to_lowercase();
    let squeezed: String = name.chars().filter(|letter| !"-_ ".contains(*letter)).collect();
    let best = known.iter().map(|known| (strsim::jaro_winkler(&squeezed, known), *known));
    let best = best.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > LIKE).then_some(best.1)
}

/// From which likeness on a name is offered.
const LIKE: f64 = 0.8;

/// The keys that lead to a node.
enum Path<'a> {
    Root(&'a str),
    Key(&'a Self, &'a str),
    Index(&'a Self, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(path) => f.write_str(path),
            Self::Key(Self::Root(""), key) => f.write_str(key),
            Self::Key(above, key) => write!(f, "{above}.{key}"),
            Self::Index(above, index) => write!(f, "{above}[{index}]"),
        }
    }
}

/// What `serde` says, and where it was said first.
#[derive(Debug)]
struct Fault {
    at: Option<(Place, String)>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Unknown { name: String, known: &'static [&'static str] },
    Other(String),
}

impl Fault {
    fn at(mut self, place: &Place, path: &Path<'_>) -> Self {
        if self.at.is_none() {
            self.at = Some((place.clone(), path.to_string()));
        }
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Unknown { name, .. } => write!(f, "`{name}` is unknown"),
            Kind::Other(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for Fault {}

impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { at: None, kind: Kind::Other(message.to_string()) }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self { at: None, kind: Kind::Unknown { name: field.to_owned(), known: expected } }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let names: Vec<String> = expected.iter().map(|name| format!("`{name}`")).collect();
        let mut problem = format!("is `{variant}`, which is none of {}", names.join(", "));
        if let Some(nearest) = nearest(variant, expected) {
            problem = format!("{problem}; did you mean `{nearest}`?");
        }
        Self::custom(problem)
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format!("is {unexpected}, not {expected}"))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format!("is {unexpected}, not {expected}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("lacks `{field}`"))
    }
}

/// A node to be read.
#[derive(Clone, Copy)]
struct Walk<'a> {
    node: &'a Node,
    path: &'a Path<'a>,
}

impl<'a> Walk<'a> {
    fn text(self) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    fn fault(self, problem: impl fmt::Display) -> Fault {
        Fault::custom(problem).at(&self.node.place, self.path)
    }

    fn unexpected(self, expected: &dyn Expected) -> Fault {
        let unexpected = match &self.node.value {
            Value::Null => Unexpected::Other("nothing"),
            Value::Scalar { .. } => Unexpected::Other("a single value"),
            Value::List(_) => Unexpected::Other("a list"),
            Value::Map(_) => Unexpected::Other("a section"),
        };
        Fault::invalid_type(unexpected, expected).at(&self.node.place, self.path)
    }

    fn number<T: std::str::FromStr>(self, expected: &dyn Expected) -> Result<T, Fault> {
        let Some(text) = self.text() else { return Err(self.unexpected(expected)) };
        let number = text.replace('_', "").parse();
        number.map_err(|_| self.fault(format!("is no number that fits here: `{text}`")))
    }
}

macro_rules! numbers {
    ($($method:ident, $visit:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            let number = self.number(&visitor)?;
            visitor.$visit(number).map_err(|fault: Fault| fault.at(&self.node.place, self.path))
        })*
    };
}

impl<'de> Deserializer<'de> for Walk<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let at = |fault: Fault| fault.at(&self.node.place, self.path);
        match &self.node.value {
            Value::Null => visitor.visit_unit().map_err(at),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
            Value::Scalar { text, plain: false } => visitor.visit_str(text).map_err(at),
            Value::Scalar { text, plain: true } => match text.as_str() {
                "true" | "True" | "TRUE" => visitor.visit_bool(true),
                "false" | "False" | "FALSE" => visitor.visit_bool(false),
                text => match (text.parse::<u64>(), text.parse::<i64>(), text.parse::<f64>()) {
                    (Ok(number), ..) => visitor.visit_u64(number),
                    (_, Ok(number), _) => visitor.visit_i64(number),
                    (.., Ok(number)) if number.is_finite() => visitor.visit_f64(number),
                    _ => visitor.visit_str(text),
                },
            }
            .map_err(at),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let value = match self.text() {
            Some("true" | "True" | "TRUE" | "yes" | "on") => true,
            Some("false" | "False" | "FALSE" | "no" | "off") => false,
            Some(text) => return Err(self.fault(format!("is neither true nor false: `{text}`"))),
            None => return Err(self.unexpected(&visitor)),
        };
        visitor.visit_bool(value).map_err(|fault: Fault| fault.at(&self.node.place, self.path))
    }

    numbers! {
        deserialize_i8, visit_i8;
        deserialize_i16, visit_i16;
        deserialize_i32, visit_i32;
        deserialize_i64, visit_i64;
        deserialize_u8, visit_u8;
        deserialize_u16, visit_u16;
        deserialize_u32, visit_u32;
        deserialize_u64, visit_u64;
        deserialize_f32, visit_f32;
        deserialize_f64, visit_f64;
        deserialize_char, visit_char;
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Some(text) = self.text() else { return Err(self.unexpected(&visitor)) };
        visitor.visit_str(text).map_err(|fault: Fault| fault.at(&self.node.place, self.path))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.value {
            Value::Null => visitor.visit_unit(),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let items = match &self.node.value {
            Value::List(items) => items.as_slice(),
            Value::Null => &[],
            _ => return Err(self.unexpected(&visitor)),
        };
        let items = Items { left: items.iter(), index: 0, path: self.path };
        visitor.visit_seq(items).map_err(|fault| fault.at(&self.node.place, self.path))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let entries = match &self.node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            _ => return Err(self.unexpected(&visitor)),
        };
        let entries = Entries { left: entries.iter(), value: None, path: self.path };
        visitor.visit_map(entries).map_err(|fault| fault.at(&self.node.place, self.path))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let chosen = match &self.node.value {
            Value::Scalar { text, .. } => Chosen { name: text, key: None, walk: None },
            Value::Map(entries) => match entries.as_slice() {
                [(key, node)] => {
                    Chosen { name: &key.name, key: Some(key), walk: Some((node, self.path)) }
                }
                _ => return Err(self.fault("is not exactly one of several")),
            },
            _ => return Err(self.unexpected(&visitor)),
        };
        visitor.visit_enum(chosen).map_err(|fault| fault.at(&self.node.place, self.path))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }
}

struct Items<'a> {
    left: std::slice::Iter<'a, Node>,
    index: usize,
    path: &'a Path<'a>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some(node) = self.left.next() else { return Ok(None) };
        let path = Path::Index(self.path, self.index);
        self.index += 1;
        let value = seed.deserialize(Walk { node, path: &path });
        value.map(Some).map_err(|fault| fault.at(&node.place, &path))
    }
}

struct Entries<'a> {
    left: std::slice::Iter<'a, (Key, Node)>,
    value: Option<&'a (Key, Node)>,
    path: &'a Path<'a>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        self.value = self.left.next();
        let Some((key, _)) = self.value else { return Ok(None) };
        let name: StrDeserializer<'_, Fault> = key.name.as_str().into_deserializer();
        let name = seed.deserialize(name);
        name.map(Some).map_err(|fault| fault.at(&key.place, &Path::Key(self.path, &key.name)))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some((key, node)) = self.value.take() else {
            return Err(Fault::custom("has a value without a key"));
        };
        let path = Path::Key(self.path, &key.name);
        let value = seed.deserialize(Walk { node, path: &path });
        value.map_err(|fault| fault.at(&key.place, &path))
    }
}

struct Chosen<'a> {
    name: &'a str,
    key: Option<&'a Key>,
    walk: Option<(&'a Node, &'a Path<'a>)>,
}

impl<'de> EnumAccess<'de> for Chosen<'_> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), Fault> {
        let name: StrDeserializer<'_, Fault> = self.name.into_deserializer();
        let value = seed.deserialize(name).map_err(|fault| match (self.key, self.walk) {
            (Some(key), Some((_, path))) => fault.at(&key.place, path),
            _ => fault,
        })?;
        Ok((value, self))
    }
}

impl<'de> VariantAccess<'de> for Chosen<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.walk {
            Some((node, _)) if !node.says_nothing() => {
                Err(Fault::custom(format!("has nothing below `{}`", self.name)))
            }
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        let Some((node, path)) = self.walk else {
            return Err(Fault::custom(format!("lacks what belongs below `{}`", self.name)));
        };
        let path = Path::Key(path, self.name);
        seed.deserialize(Walk { node, path: &path }).map_err(|fault| fault.at(&node.place, &path))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        let Some((node, path)) = self.walk else {
            return Err(Fault::custom(format!("lacks what belongs below `{}`", self.name)));
        };
        let path = Path::Key(path, self.name);
        Walk { node, path: &path }.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Some((node, path)) = self.walk else {
            return Err(Fault::custom(format!("lacks what belongs below `{}`", self.name)));
        };
        let path = Path::Key(path, self.name);
        Walk { node, path: &path }.deserialize_map(visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use test_case::test_case;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        name: Option<String>,
        count: Option<u8>,
        on: Option<bool>,
        mode: Option<Mode>,
        list: Vec<Inner>,
        map: BTreeMap<String, Inner>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Inner {
        deep: Option<u16>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Off,
        Enforce,
        With(Inner),
    }

    fn sample(text: &str) -> Result<Sample, ConfigError> {
        Raw::parse("trust.sample", text)?.decode()
    }

    #[test]
    fn what_is_written_is_read() {
        let text = "name: 5000\ncount: 7\non: yes\nlist: [{deep: 1}, {}]\nmap:\n  a:\nmode: {with: {deep: 9}}\n";
        let sample = sample(text).unwrap();
        assert_eq!(
            (sample.name.as_deref(), sample.count, sample.on),
            (Some("5000"), Some(7), Some(true))
        );
        assert_eq!(sample.list, [Inner { deep: Some(1) }, Inner::default()]);
        assert_eq!(sample.map["a"], Inner::default());
        assert_eq!(sample.mode, Some(Mode::With(Inner { deep: Some(9) })));
    }

    #[test_case(
        "nmae: x",
        "line 1, column 1: `trust.sample.nmae` is not a key of the configuration"
    )]
    #[test_case(
        "list:\n- deep: 1\n- depe: 2\n",
        "line 3, column 3: `trust.sample.list[1].depe` is not a key of the configuration"
    )]
    #[test_case(
        "count: 300",
        "line 1, column 8: `trust.sample.count` is no number that fits here: `300`"
    )]
    #[test_case(
        "on: perhaps",
        "line 1, column 5: `trust.sample.on` is neither true nor false: `perhaps`"
    )]
    #[test_case("name: [a]", "line 1, column 7: `trust.sample.name` is a list, not a string")]
    #[test_case(
        "mode: enforec",
        "line 1, column 7: `trust.sample.mode` is `enforec`, which is none of `off`, `enforce`, `with`; did you mean `enforce`?"
    )]
    #[test_case(
        "map: {x: {deep: {}}}",
        "line 1, column 17: `trust.sample.map.x.deep` is a section, not u16"
    )]
    fn mistakes_are_placed(text: &str, expected: &str) {
        assert_eq!(sample(text).unwrap_err().to_string(), expected);
    }

    #[test]
    fn the_nearest_key_is_offered() {
        let nearest = |text: &str| match sample(text).unwrap_err() {
            ConfigError::Unknown { nearest, .. } => nearest,
            error => panic!("{error}"),
        };
        assert_eq!(nearest("nmae: x").as_deref(), Some("trust.sample.name"));
        assert_eq!(nearest("list: [{depe: 1}]").as_deref(), Some("trust.sample.list[0].deep"));
        assert_eq!(nearest("zzz: 1"), None);
    }
}
