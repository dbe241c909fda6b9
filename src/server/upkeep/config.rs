//! `trust.upkeep` and `trust.retention` of the configuration (spec/server-storage.md §5, §6).

use std::time::Duration;

use serde::Deserialize;

use crate::limits::MIN_GC_GRACE_SECONDS;
use crate::server::config::duration::{Span, write};
use crate::server::config::{Config, ConfigError, Raw};
use crate::server::meta::upkeep::Hosts;
use crate::server::upkeep::gc::Options;
use crate::server::upkeep::retention::Rule;

/// `trust.upkeep`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct UpkeepSection {
    interval: Option<Span>,
    grace: Option<Span>,
    delay: Option<Span>,
    uploads: Option<Span>,
    untagged: Option<Span>,
}

/// One of `trust.retention`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleSection {
    repositories: String,
    newest: Option<usize>,
    #[serde(default)]
    tags: Vec<String>,
    youngerthan: Option<Span>,
    untagged: Option<Span>,
    #[serde(default)]
    signed: bool,
}

/// What the configuration says of garbage collection; how often, and with which rules of retention.
pub fn options(config: &Config) -> Result<Options, ConfigError> {
    let mut options = sections(config.upkeep.as_ref(), config.retention.as_ref(), &config.hosts)?;
    let said = config.upkeep.as_ref().map(Raw::decode::<UpkeepSection>).transpose()?;
    if said.is_none_or(|said| said.uploads.is_none()) {
        let purge = &config.registry.purge;
        options.upload_lifetime = if purge.enabled { purge.age } else { Duration::MAX };
    }
    Ok(options)
}

fn sections(
    upkeep: Option<&Raw>,
    retention: Option<&Raw>,
    hosts: &[String],
) -> Result<Options, ConfigError> {
    let mut options = Options { hosts: Hosts(hosts.to_vec()), ..Options::default() };
    if let Some(raw) = upkeep {
        let said: UpkeepSection = raw.decode()?;
        let set = |option: &mut Duration, said: Option<Span>| {
            if let Some(Span(said)) = said {
                *option = said;
            }
        };
        set(&mut options.interval, said.interval);
        set(&mut options.grace, said.grace);
        set(&mut options.delay, said.delay);
        set(&mut options.upload_lifetime, said.uploads);
        options.untagged = said.untagged.map(|Span(said)| said);
        let least = Duration::from_secs(MIN_GC_GRACE_SECONDS);
        if options.grace < least {
            let problem = format!("is shorter than {}", write(least));
            return Err(raw.wrong("grace", problem));
        }
        for (key, value) in [("interval", options.interval), ("delay", options.delay)] {
            if value < SHORTEST {
                return Err(raw.wrong(key, format!("is shorter than {}", write(SHORTEST))));
            }
        }
    }
    if let Some(raw) = retention {
        let rules: Vec<RuleSection> = raw.decode()?;
        options.retention = rules.into_iter().map(RuleSection::into_rule).collect();
    }
    Ok(options)
}

impl RuleSection {
    fn into_rule(self) -> Rule {
        Rule {
            newest: self.newest,
            tags: self.tags,
            younger_than: self.youngerthan.map(|Span(said)| said),
            untagged: self.untagged.map(|Span(said)| said),
            signed: self.signed,
            ..Rule::new(self.repositories)
        }
    }
}

/// Shortest interval between two runs, and delay between their two steps: less would only burden the
/// database.
const SHORTEST: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(upkeep: &str, retention: &str) -> Result<Options, ConfigError> {
        let raw = |path, text: &str| (!text.is_empty()).then(|| Raw::parse(path, text).unwrap());
        let (upkeep, retention) = (raw("trust.upkeep", upkeep), raw("trust.retention", retention));
        sections(upkeep.as_ref(), retention.as_ref(), &["a.example.com".to_owned()])
    }

    #[test]
    fn everything_that_can_be_said() {
        let options = read(
            "interval: 10m\ngrace: 2h\ndelay: 5m\nuploads: 3d\nuntagged: 30d\n",
            "- {repositories: 'team/**', newest: 3, tags: [v*, latest], youngerthan: 7d, \
             untagged: 1d, signed: true}\n- {repositories: '**', newest: 10}\n",
        )
        .unwrap();
        let seconds = |days: u64| Duration::from_secs(days * 86_400);
        assert_eq!(options.interval, Duration::from_mins(10));
        assert_eq!(options.grace, Duration::from_hours(2));
        assert_eq!(options.delay, Duration::from_mins(5));
        assert_eq!(options.upload_lifetime, seconds(3));
        assert_eq!(options.untagged, Some(seconds(30)));
        assert_eq!(options.hosts, Hosts(vec!["a.example.com".to_owned()]));
        let [first, second] = options.retention.try_into().unwrap();
        assert_eq!((first.newest, first.younger_than), (Some(3), Some(seconds(7))));
        assert_eq!((first.untagged, first.signed), (Some(seconds(1)), true));
        assert_eq!(first.tags, ["v*", "latest"]);
        assert_eq!((second.newest, second.signed), (Some(10), false));
        assert_eq!(read("", "").unwrap().retention, []);
    }

    #[test]
    fn mistakes_are_named() {
        for (upkeep, retention, key) in [
            ("grace: 59m", "", "trust.upkeep.grace"),
            ("delay: 1s", "", "trust.upkeep.delay"),
            ("graze: 2h", "", "trust.upkeep.graze"),
            ("", "- {newest: 3}", "repositories"),
            ("", "- {repositories: a, newset: 3}", "newset"),
        ] {
            let error = read(upkeep, retention).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
