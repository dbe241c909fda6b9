//! The effective configuration, as a file that says the same; secrets are not in it.

use serde_json::{Map, Value, json};

use crate::server::config::duration::write;
use crate::server::config::{AuthConfig, Config, Listen, Scheme};
use crate::server::logging::{LogFormat, LogLevel};
use crate::server::tls::MinimumVersion;

/// Writes a configuration in YAML. What is secret, and the sections that other modules read, are
/// `(set)`.
pub fn show(config: &Config) -> String {
    let mut text = String::new();
    yaml(&mut text, &document(config), 0);
    text
}

fn document(config: &Config) -> Value {
    let level = match config.log.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    };
    let formatter = match config.log.format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
        LogFormat::Logstash => "logstash",
    };
    let purge = &config.registry.purge;
    json!({
        "version": "0.1",
        "log": {
            "level": level,
            "formatter": formatter,
            "fields": config.log.fields,
            "accesslog": {"disabled": !config.access_log},
        },
        "storage": {
            "filesystem": {"rootdirectory": config.content.parent().unwrap_or(&config.content)},
            "delete": {"enabled": config.registry.delete},
            "maintenance": {
                "uploadpurging": {
                    "enabled": purge.enabled,
                    "age": write(purge.age),
                    "interval": write(purge.interval),
                    "dryrun": purge.dry_run,
                },
                "readonly": {"enabled": config.registry.read_only},
            },
        },
        "http": http(config),
        "auth": auth(config),
        "health": {"file": config.health.files.iter().map(|file| json!({"file": file})).collect::<Vec<_>>()},
        "trust": own(config),
    })
}

fn http(config: &Config) -> Value {
    let http = &config.http;
    let mut section = Map::new();
    let mut put = |name: &str, value: Value| drop(section.insert(name.to_owned(), value));
    match &http.listen {
        Listen::Tcp(address) => put("addr", json!(address)),
        Listen::Unix(path) => {
            put("net", json!("unix"));
            put("addr", json!(path));
        }
    }
    put("host", json!(http.links.fixed));
    put("prefix", json!(http.links.prefix));
    put("relativeurls", json!(http.links.relative));
    put("secret", json!(http.secret.as_ref().map(|_| SET)));
    put("draintimeout", json!(write(http.drain)));
    put("headers", json!(http.headers));
    if let Scheme::Tls { files, rules } = &http.scheme {
        let minimum = match rules.minimum {
            MinimumVersion::Tls12 => "tls1.2",
            MinimumVersion::Tls13 => "tls1.3",
        };
        put(
            "tls",
            json!({
                "certificate": files.as_ref().map(|files| &files.certificate),
                "key": files.as_ref().map(|files| &files.key),
                "clientcas": rules.client_authorities,
                "minimumtls": minimum,
                "ciphersuites": rules.cipher_suites,
            }),
        );
    }
    put("http2", json!({"disabled": !http.http2}));
    if let Some(debug) = &http.debug {
        let prometheus = json!({"enabled": debug.metrics.is_some(), "path": debug.metrics});
        put("debug", json!({"addr": debug.address, "prometheus": prometheus}));
    }
    Value::Object(section)
}

fn auth(config: &Config) -> Value {
    match &config.auth {
        AuthConfig::Open => json!({}),
        AuthConfig::Htpasswd { realm, path } => {
            json!({"htpasswd": {"realm": realm, "path": path}})
        }
        AuthConfig::Token(token) => json!({"token": {
            "realm": token.realm,
            "service": token.service,
            "issuer": token.issuer,
            "rootcertbundle": token.root_cert_bundle,
            "jwks": token.jwks,
            "signingalgorithms": token.algorithms,
            "autoredirect": token.auto_redirect,
        }}),
    }
}

fn own(config: &Config) -> Value {
    let limits = &config.limits;
    let (plain, own) = match &config.http.scheme {
        Scheme::Plain { anywhere } => (*anywhere, false),
        Scheme::Tls { files, .. } => (false, files.is_none()),
    };
    let mut section = json!({
        "data": config.data,
        "database": config.database.as_ref().map(|_| SET),
        "hosts": config.hosts,
        "plainhttp": plain,
        "ownauthority": own,
        "metrics": config.http.metrics,
        "proxies": config.http.proxies,
        "gunprefixes": config.gun_prefixes,
        "limits": {
            "head": write(limits.head),
            "idle": write(limits.idle),
            "wait": write(limits.window),
            "rate": limits.rate,
            "connections": limits.connections,
            "peerconnections": limits.peer_connections,
        },
    });
    let sections = [
        ("accounts", &config.accounts),
        ("policy", &config.policy),
        ("signer", &config.signer),
        ("upkeep", &config.upkeep),
        ("retention", &config.retention),
        ("immutable", &config.immutable),
    ];
    for (name, raw) in sections {
        if let (Some(_), Some(section)) = (raw, section.as_object_mut()) {
            section.insert(name.to_owned(), SET.into());
        }
    }
    section
}

/// Writes a value in YAML: sections over lines, what is single in JSON, which YAML contains.
fn yaml(text: &mut String, value: &Value, depth: usize) {
    let Value::Object(members) = value else { return };
    for (name, value) in members {
        let says_nothing = match value {
            Value::Null => true,
            Value::String(value) => value.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        if says_nothing {
            continue;
        }
        text.push_str(&"  ".repeat(depth));
        text.push_str(&key(name));
        text.push(':');
        if value.is_object() {
            text.push('\n');
            yaml(text, value, depth + 1);
        } else {
            text.push(' ');
            text.push_str(&value.to_string());
            text.push('\n');
        }
    }
}

fn key(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !name.is_empty() && name.bytes().all(plain) {
        name.to_owned()
    } else {
        Value::from(name).to_string()
    }
}

/// Stands for what is not shown.
const SET: &str = "(set)";
