//! Tags and manifests that are no longer wanted, by rules.

use trust::server::meta::upkeep::Hosts;
use trust::server::upkeep::gc::{Item, Mode, Options};
use trust::server::upkeep::retention::Rule;

use super::stock::{HOUR, Stock, at_once};

/// Only rules remove manifests.
fn by_rules(rules: Vec<Rule>) -> Options {
    Options { untagged: None, retention: rules, ..at_once() }
}

fn rule(repositories: &str, newest: usize) -> Rule {
    Rule { newest: Some(newest), ..Rule::new(repositories) }
}

fn tags(stock: &Stock, repository: &str) -> Vec<String> {
    let list = stock.server.get(&format!("/v2/{repository}/tags/list")).json();
    let tags = list["tags"].as_array().cloned().unwrap_or_default();
    tags.iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
}

/// Images v1 to v5, each an hour after the one before.
fn history(stock: &Stock, repository: &str) {
    for version in 1..=5 {
        stock.push_image(repository, Some(&format!("v{version}")), &[&format!("layer {version}")]);
        stock.clock.pass(HOUR);
    }
}

#[test]
fn the_newest_stay_and_a_dry_run_says_which() {
    let stock = Stock::new();
    history(&stock, "team/app");
    history(&stock, "other/app");
    let mut wanted = rule("team/*", 2);
    wanted.untagged = Some(HOUR);
    let options = by_rules(vec![wanted]);
    let (said, _) = stock.collect(&options, Mode::Dry);
    assert_eq!(tags(&stock, "team/app").len(), 5, "a dry run removes nothing");
    let (done, summary) = stock.collect(&options, Mode::Real);
    let sorted = |items: &[Item]| {
        let mut items: Vec<String> = items.iter().map(|item| format!("{item:?}")).collect();
        items.sort();
        items
    };
    assert_eq!(sorted(&said), sorted(&done));
    assert_eq!(tags(&stock, "team/app"), ["v4", "v5"]);
    assert_eq!(tags(&stock, "other/app").len(), 5, "no rule is about it");
    // The other repository has the same layers.
    assert_eq!((summary.tags, summary.manifests, summary.blobs), (3, 3, 0));
    stock.is_sound();
    assert_eq!(stock.collect(&options, Mode::Real).0, []);
}

#[test]
fn patterns_and_age_keep_more() {
    let stock = Stock::new();
    history(&stock, "app");
    stock.push_image("app", Some("latest"), &["old but loved"]);
    let mut wanted = rule("**", 0);
    wanted.tags = vec!["latest".to_owned(), "v1".to_owned()];
    wanted.younger_than = Some(HOUR + HOUR / 2);
    stock.collect(&by_rules(vec![wanted]), Mode::Real);
    // v5 was pushed an hour ago.
    assert_eq!(tags(&stock, "app"), ["latest", "v1", "v5"]);
}

#[test]
fn untagged_manifests_stay_as_long_as_the_rule_says() {
    let stock = Stock::new();
    let image = stock.push_image("app", None, &["layer"]);
    let kept = Rule { untagged: Some(10 * HOUR), ..Rule::new("app") };
    stock.clock.pass(9 * HOUR);
    assert_eq!(stock.collect(&by_rules(vec![kept.clone()]), Mode::Real).0, []);
    stock.clock.pass(2 * HOUR);
    assert_eq!(stock.collect(&by_rules(vec![kept]), Mode::Real).1.manifests, 1);
    assert!(!stock.has_manifest("app", &image));
}

#[test]
fn signed_tags_stay() {
    let stock = Stock::new();
    history(&stock, "app");
    let signed = stock.push_image("app", Some("v1"), &["layer 1"]);
    stock.clock.pass(HOUR);
    stock.push_image("app", Some("v6"), &["layer 6"]);
    stock.sign("registry.example.com/app", &signed);
    let hosts = Hosts(vec!["registry.example.com".to_owned()]);
    let options = Options { hosts, ..by_rules(vec![rule("**", 1)]) };
    stock.collect(&options, Mode::Real);
    assert_eq!(tags(&stock, "app"), ["v1", "v6"]);
    let anyway = Rule { signed: true, ..rule("**", 1) };
    stock.collect(&Options { retention: vec![anyway], ..options }, Mode::Real);
    assert_eq!(tags(&stock, "app"), ["v6"]);
}
