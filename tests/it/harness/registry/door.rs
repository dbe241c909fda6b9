//! Who is let in: tokens, asked for and handed out by the same server.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Mutex;

use serde_json::json;
use trust::codec::text::to_base64;
use url::form_urlencoded;

use super::answer::Answer;
use super::contents::{Route, split_target};
use crate::harness::server::Request;

/// Where tokens are asked for.
pub(super) const TOKEN_PATH: &str = "/token";

/// Lets everybody in until tokens are demanded.
#[derive(Debug, Default)]
pub(crate) struct Door {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    demands_tokens: bool,
    /// What the Authorization header of a request for a token must be.
    login: Option<String>,
    /// Tokens that are good, and their scopes, each as `repository:NAME:ACTION`.
    tokens: BTreeMap<String, BTreeSet<String>>,
    issued: usize,
}

impl Door {
    /// Demands a token from now on, which only this person gets.
    pub(crate) fn demand_login(&self, name: &str, password: &str) {
        let login = format!("Basic {}", to_base64(format!("{name}:{password}").as_bytes()));
        let mut state = self.state.lock().unwrap();
        state.demands_tokens = true;
        state.login = Some(login);
    }

    /// Makes every token worthless that was handed out so far.
    pub(crate) fn expire_tokens(&self) {
        self.state.lock().unwrap().tokens.clear();
    }

    /// Returns how many tokens were handed out.
    pub(crate) fn issued(&self) -> usize {
        self.state.lock().unwrap().issued
    }

    /// Turns a request away, unless it may pass.
    pub(super) fn refuse(&self, request: &Request, authority: &str) -> Option<Answer> {
        let state = self.state.lock().unwrap();
        if !state.demands_tokens {
            return None;
        }
        let authorization = request.header("authorization").unwrap_or_default();
        let scopes = authorization.strip_prefix("Bearer ").and_then(|t| state.tokens.get(t));
        let needed = needed_scopes(request);
        if scopes.is_some_and(|granted| needed.iter().all(|scope| granted.contains(scope))) {
            return None;
        }
        let mut challenge =
            format!("Bearer realm=\"http://{authority}{TOKEN_PATH}\",service=\"scripted\"");
        if let Some((repository, actions)) = asked_for(request) {
            write!(challenge, ",scope=\"repository:{repository}:{actions}\"").unwrap();
        }
        let sent = !authorization.is_empty();
        if sent {
            let problem = if scopes.is_none() { "invalid_token" } else { "insufficient_scope" };
            write!(challenge, ",error=\"{problem}\"").unwrap();
        }
        Some(Answer::error(401, "UNAUTHORIZED").with("WWW-Authenticate", &challenge))
    }

    /// Says whether the token of a request allows an action besides.
    pub(super) fn allows(&self, request: &Request, repository: &str, action: &str) -> bool {
        let state = self.state.lock().unwrap();
        let authorization = request.header("authorization").unwrap_or_default();
        let scopes = authorization.strip_prefix("Bearer ").and_then(|t| state.tokens.get(t));
        let scope = format!("repository:{repository}:{action}");
        !state.demands_tokens || scopes.is_some_and(|granted| granted.contains(&scope))
    }

    /// Answers a request for a token.
    pub(super) fn token(&self, request: &Request) -> Answer {
        let mut state = self.state.lock().unwrap();
        if state.login.is_some() && request.header("authorization") != state.login.as_deref() {
            return Answer::error(401, "UNAUTHORIZED");
        }
        state.issued += 1;
        let token = format!("token-{}", state.issued);
        let (_, query) = split_target(&request.target);
        let scopes = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == "scope")
            .flat_map(|(_, value)| value.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .flat_map(|scope| {
                let (resource, actions) = scope.rsplit_once(':').unwrap_or((&scope, ""));
                let each = |action: &str| format!("{resource}:{action}");
                actions.split(',').map(each).collect::<Vec<_>>()
            });
        let scopes = scopes.collect();
        state.tokens.insert(token.clone(), scopes);
        let body = json!({"token": token, "expires_in": 3600});
        Answer::new(200, body.to_string()).with("Content-Type", "application/json")
    }
}

/// The repository of a request, and what it does there.
fn asked_for(request: &Request) -> Option<(String, &'static str)> {
    let repository = Route::of(&request.target)?.repository()?.to_owned();
    let reads = matches!(request.method.as_str(), "GET" | "HEAD");
    let uploads = request.target.contains("/blobs/uploads/");
    Some((repository, if reads && !uploads { "pull" } else { "pull,push" }))
}

fn needed_scopes(request: &Request) -> Vec<String> {
    let Some((repository, actions)) = asked_for(request) else { return Vec::new() };
    let each = |action| format!("repository:{repository}:{action}");
    actions.split(',').map(each).collect()
}
