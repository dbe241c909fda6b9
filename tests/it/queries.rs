//! Questions to registries, and deletions in them: with the real registry, and the real clients
//! beside ours.

use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};
use trust::client::{CredentialSource, HttpClient, HttpOptions, Login, RegistryClient};
use trust::oci::{Digest, Reference};
use trust::wire::referrers::Referrer;

use crate::harness::{Reply, Server};
use crate::peers::image::{self, Dialect, Pushed};
use crate::peers::{
    Account, Dockerd, NotaryOptions, NotaryServer, Registry, RegistryAuth, RegistryOptions,
    TokenOptions, TokenServer, User,
};

fn deleting() -> Registry {
    Registry::start(&RegistryOptions { delete: true, ..RegistryOptions::default() })
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

/// Pushes the same image under each of these tags.
fn push_tags(registry: &Registry, repository: &str, tags: &[&str]) -> Pushed {
    let first = image::push_image(registry, repository, tags[0], b"content");
    for tag in &tags[1..] {
        let manifest = first.manifest.clone();
        image::retag_raw(registry, repository, tag, &first.media_type, manifest);
    }
    first
}

#[test]
fn tags_are_listed_in_the_order_people_count() {
    let registry = Registry::start(&RegistryOptions::default());
    let user = User::new();
    let pushed = push_tags(&registry, "team/app", &["v10", "v2", "latest", "v1"]);
    let name = format!("{}/team/app", registry.host_port());
    let listed = user.trust(&["tags", "ls", &name]).success().stdout;
    assert_eq!(listed, "latest\nv1\nv2\nv10\n");
    let digests = user.trust(&["tags", "ls", "--digests", &name]).success().stdout;
    assert_eq!(lines(&digests)[3], format!("v10      {}", pushed.digest));
    let rows = parse(&user.trust(&["tags", "ls", "--json", "--digests", &name]).success().stdout);
    let expected = json!({"repository": name, "tag": "v1", "digest": pushed.digest});
    assert_eq!(rows[1], expected);
    let format = ["tags", "ls", "--format", "{{.Repository}}:{{.Tag}}", &name];
    assert_eq!(lines(&user.trust(&format).success().stdout)[1], format!("{name}:v1"));
    user.trust(&["tags", "ls", &format!("{name}:v1")]).expect_code(2);
    let missing = format!("{}/nobody", registry.host_port());
    user.trust(&["tags", "ls", &missing]).expect_code(8);
}

#[test]
fn pages_of_tags_have_each_tag_once() {
    let registry = Registry::start(&RegistryOptions::default());
    let user = User::new();
    let tags = ["a", "b", "c", "d", "e", "f", "g"];
    push_tags(&registry, "app", &tags);
    let name = format!("{}/app", registry.host_port());
    let mut seen = Vec::new();
    let mut last: Option<String> = None;
    loop {
        let mut args = vec!["tags", "ls", "--limit", "3", &name];
        args.extend(last.iter().flat_map(|last| ["--last", last.as_str()]));
        let page = user.trust(&args).success();
        let shown: Vec<String> = page.stdout.lines().map(str::to_owned).collect();
        assert!(shown.len() <= 3, "{page:?}");
        last = shown.last().cloned();
        let more = page.stderr.contains("There are more");
        assert_eq!(more, page.stderr.contains(&format!("--last {}", last.as_ref().unwrap())));
        seen.extend(shown);
        if !more {
            break;
        }
    }
    seen.sort();
    assert_eq!(seen, tags);
}

#[test]
fn a_registrys_own_pages_are_followed_and_names_that_are_none_left_out() {
    let server = Server::start(|request| match request.target.as_str() {
        "/v2/app/tags/list?n=2" => {
            Reply::file(br#"{"name":"app","tags":["a","\u001b[2J"]}"#.to_vec())
                .with("Link", "</v2/app/tags/list?n=2&last=a>; rel=\"next\"")
        }
        "/v2/app/tags/list?n=2&last=a" => {
            Reply::file(br#"{"name":"app","tags":["b","c"]}"#.to_vec())
                .with("Link", "</v2/app/tags/list?n=2&last=c>; rel=\"next\"")
        }
        _ => Reply::status(404, ""),
    });
    let user = User::new();
    let name = format!("{}/app", server.host_port());
    let page = user.trust(&["tags", "ls", "--limit", "2", &name]).success();
    assert_eq!(page.stdout, "a\nb\n");
    assert!(page.stderr.contains("names 1 that no tag can have"), "{page:?}");
    assert!(page.stderr.contains("`--last b`") && !page.stderr.contains('\u{1b}'), "{page:?}");
}

#[test]
fn manifests_are_shown_as_docker_shows_them() {
    let registry = Registry::start(&RegistryOptions::default());
    let user = User::new();
    image::push_image(&registry, "app", "docker", b"1");
    image::push_image_as(&registry, "app", "oci", b"2", Dialect::Oci);
    image::push_index(&registry, "app", "list", b"3", Dialect::Docker);
    let index = image::push_index(&registry, "app", "index", b"4", Dialect::Oci);
    for tag in ["docker", "oci", "list", "index"] {
        let name = format!("{}/app:{tag}", registry.host_port());
        let ours = user.trust(&["manifest", "inspect", &name]).success().stdout;
        let theirs = user.program("docker", &["manifest", "inspect", "--insecure", &name]);
        let theirs = theirs.success().stdout;
        // Docker writes an index anew, in its own order and as its own kind.
        if matches!(tag, "docker" | "oci") {
            assert_eq!(ours, theirs, "{tag}");
        }
        assert_eq!(lines(&ours).len(), lines(&theirs).len(), "{tag}");
        assert_eq!(parse(&ours)["manifests"], parse(&theirs)["manifests"], "{tag}");
        let ours = user.trust(&["manifest", "inspect", "-v", &name]).success().stdout;
        let theirs = ["manifest", "inspect", "-v", "--insecure", &name];
        let theirs = user.program("docker", &theirs).success().stdout;
        assert_eq!(parse(&ours), parse(&theirs), "{tag}");
        let ours = user.trust(&["manifest", "inspect", "--raw", &name]).success().stdout;
        let image = format!("docker://{name}");
        let theirs = ["inspect", "--raw", "--tls-verify=false", &image];
        assert_eq!(ours, user.program("skopeo", &theirs).success().stdout, "{tag}");
    }
    let name = format!("{}/app:index", registry.host_port());
    let format = ["manifest", "inspect", &name, "--format", "{{.Digest}} {{len .Manifests}}"];
    assert_eq!(user.trust(&format).success().stdout, format!("{} 2\n", index.digest));
    let wrong = ["manifest", "inspect", &name, "--format", "{{.Foo}}"];
    user.trust(&wrong).expect_code(2);
}

#[test]
fn a_platform_and_its_configuration_are_picked_from_an_index() {
    let registry = Registry::start(&RegistryOptions::default());
    let user = User::new();
    let index = image::push_index(&registry, "app", "1", b"content", Dialect::Oci);
    let name = format!("{}/app:1", registry.host_port());
    let inspect = |args: &[&str]| user.trust(&[&["manifest", "inspect", &name], args].concat());
    let arm = inspect(&["--platform", "linux/arm64", "--raw"]).success().stdout;
    let member = &parse(std::str::from_utf8(&index.manifest).unwrap())["manifests"][1];
    assert_eq!(image::digest(arm.as_bytes()), member["digest"].as_str().unwrap());
    let config = inspect(&["--platform", "linux/arm64", "--image-config"]).success().stdout;
    assert_eq!(parse(&config)["architecture"], "arm64");
    let image = format!("docker://{name}");
    let arch = ["--override-os", "linux", "--override-arch", "arm64"];
    let theirs =
        [&arch[..], &["inspect", "--config", "--raw", "--tls-verify=false", &image]].concat();
    let raw = inspect(&["--platform", "linux/arm64", "--image-config", "--raw"]).success().stdout;
    assert_eq!(raw, user.program("skopeo", &theirs).success().stdout);
    let none = inspect(&["--platform", "linux/s390x"]).expect_code(8);
    assert!(none.stderr.contains("it has linux/amd64, linux/arm64"), "{none:?}");
}

#[test]
fn schema_1_is_refused_with_its_reason() {
    let server = Server::start(|_| {
        let media_type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
        Reply::file(br#"{"schemaVersion":1}"#.to_vec()).with("Content-Type", media_type)
    });
    let name = format!("{}/app:1", server.host_port());
    let refused = User::new().trust(&["manifest", "inspect", &name]).expect_code(2);
    assert!(refused.stderr.contains("schema 1 manifests are not supported"), "{refused:?}");
    assert!(refused.stderr.contains("push the image again"), "{refused:?}");
}

#[test]
fn with_trust_what_is_signed_is_shown_wherever_the_tag_went() {
    let registry = deleting();
    let notary = NotaryServer::start(&NotaryOptions::default());
    let mut user = User::new();
    user.use_notary(&notary);
    let signed = image::push_image(&registry, "app", "1", b"signed");
    let name = format!("{}/app:1", registry.host_port());
    user.trust(&["sign", &name]).success();
    let moved = image::push_image(&registry, "app", "1", b"moved");
    let inspect = |user: &User, args: &[&str]| {
        user.trust(&[&["manifest", "inspect", "--raw", &name], args].concat())
    };
    let manifest = |pushed: &Pushed| String::from_utf8(pushed.manifest.clone()).unwrap();
    assert_eq!(inspect(&user, &[]).success().stdout, manifest(&moved));
    assert_eq!(inspect(&user, &["--trust"]).success().stdout, manifest(&signed));
    user.set("DOCKER_CONTENT_TRUST", "1");
    assert_eq!(inspect(&user, &[]).success().stdout, manifest(&signed));
    let out = inspect(&user, &["--disable-content-trust"]).success();
    assert_eq!(out.stdout, manifest(&moved));
    assert!(out.stderr.contains("content trust is switched off"), "{out:?}");
    image::push_image(&registry, "app", "2", b"unsigned");
    let other = format!("{}/app:2", registry.host_port());
    user.trust(&["manifest", "inspect", &other]).expect_code(3);
    // What is deleted is not revoked, and that is told.
    let digest = format!("{}/app@{}", registry.host_port(), signed.digest);
    let gone = user.trust(&["manifest", "rm", &digest]).success();
    assert_eq!(gone.stdout, format!("Deleted: {digest}\n"));
    assert!(gone.stderr.contains(&format!("`trust revoke {name}`")), "{gone:?}");
    inspect(&user, &[]).expect_code(8);
}

#[test]
fn a_manifest_is_deleted_unless_other_tags_go_with_it() {
    let registry = deleting();
    let user = User::new();
    let pushed = push_tags(&registry, "app", &["1", "2"]);
    image::push_image(&registry, "app", "3", b"another");
    let host = registry.host_port();
    let name = |tag: &str| format!("{host}/app:{tag}");
    let kept = user.trust(&["manifest", "rm", &name("1")]).expect_code(12);
    assert!(kept.stderr.contains("other tags") && kept.stderr.contains(": 2\n"), "{kept:?}");
    assert!(kept.stderr.contains("`--force`"), "{kept:?}");
    let alone = user.trust(&["manifest", "rm", "--untag", &name("1")]).expect_code(12);
    assert!(alone.stderr.contains("deletes manifests by digest"), "{alone:?}");
    assert_eq!(image::fetch_manifest(&registry, "app", "1").status, 200);
    let gone = user.trust(&["manifest", "rm", "--force", &name("1")]).success().stdout;
    let mut shown = lines(&gone);
    let digest = shown.pop().unwrap();
    shown.sort_unstable();
    assert_eq!(shown, [format!("Untagged: {host}/app:1"), format!("Untagged: {host}/app:2")]);
    assert_eq!(digest, format!("Deleted: {host}/app@{}", pushed.digest));
    assert_eq!(image::fetch_manifest(&registry, "app", &pushed.digest).status, 404);
    // The next is taken though the first is not there.
    let both = user.trust(&["manifest", "rm", &name("1"), &name("3")]).expect_code(8);
    assert!(both.stdout.contains(&format!("Untagged: {host}/app:3")), "{both:?}");
    assert_eq!(image::fetch_manifest(&registry, "app", "3").status, 404);
}

#[test]
fn a_registry_that_does_not_delete_is_named_with_its_setting() {
    let registry = Registry::start(&RegistryOptions::default());
    image::push_image(&registry, "app", "1", b"content");
    let name = format!("{}/app:1", registry.host_port());
    let refused = User::new().trust(&["manifest", "rm", &name]).expect_code(12);
    assert!(refused.stderr.contains("does not allow deletion"), "{refused:?}");
    assert!(refused.stderr.contains("REGISTRY_STORAGE_DELETE_ENABLED=true"), "{refused:?}");
    assert_eq!(image::fetch_manifest(&registry, "app", "1").status, 200);
}

#[test]
fn everything_works_with_a_password() {
    let auth = RegistryAuth::Htpasswd { user: "me", password: "secret" };
    let registry = Registry::start(&RegistryOptions { auth, delete: true, tls: None });
    image::push_image(&registry, "app", "1", b"content");
    let host = registry.host_port();
    let name = format!("{host}/app:1");
    let mut user = User::new();
    for args in [&["tags", "ls", &format!("{host}/app")][..], &["search", &format!("{host}/app")]] {
        let refused = user.trust(args).expect_code(9);
        assert!(refused.stderr.contains("`trust login REGISTRY`"), "{refused:?}");
    }
    user.log_in(&host, "me", "secret");
    assert_eq!(user.trust(&["tags", "ls", &format!("{host}/app")]).success().stdout, "1\n");
    user.trust(&["manifest", "inspect", &name]).success();
    let found = user.trust(&["search", &format!("{host}/ap"), "--format", "{{.Name}}"]);
    assert_eq!(found.success().stdout, format!("{host}/app\n"));
    user.trust(&["manifest", "rm", &name]).success();
}

#[test]
fn everything_works_with_tokens_that_allow_just_that() {
    let grants: &[(&str, &[&str])] = &[("app", &["pull", "delete"]), ("catalog", &["*"])];
    let accounts = vec![Account::new("me", "secret", grants), Account::new("", "", &[])];
    let tokens = TokenServer::start(TokenOptions { accounts, ..TokenOptions::default() });
    let auth = RegistryAuth::Token(&tokens);
    let registry = Registry::start(&RegistryOptions { auth, delete: true, tls: None });
    image::push_image(&registry, "app", "1", b"content");
    let host = registry.host_port();
    let name = format!("{host}/app:1");
    let mut user = User::new();
    user.trust(&["search", &format!("{host}/app")]).expect_code(9);
    user.log_in(&host, "me", "secret");
    assert_eq!(user.trust(&["tags", "ls", &format!("{host}/app")]).success().stdout, "1\n");
    let found = user.trust(&["search", &format!("{host}/"), "--format", "{{.Name}}"]);
    assert_eq!(found.success().stdout, format!("{host}/app\n"));
    user.trust(&["manifest", "rm", &name]).success();
    let scopes: Vec<String> = tokens.requests().into_iter().flat_map(|r| r.scopes).collect();
    for scope in ["registry:catalog:*", "repository:app:delete", "repository:app:pull"] {
        assert!(scopes.iter().any(|asked| asked == scope), "{scope}: {scopes:?}");
    }
}

#[test]
fn a_registry_without_search_has_its_catalog_searched() {
    let registry = Registry::start(&RegistryOptions::default());
    let user = User::new();
    for repository in ["web", "team/web", "website", "database"] {
        image::push_image(&registry, repository, "1", b"content");
    }
    let host = registry.host_port();
    let term = format!("{host}/web");
    let table = user.trust(&["search", &term]).success().stdout;
    let table = lines(&table);
    assert!(table[0].starts_with("NAME ") && table[0].ends_with("STARS     OFFICIAL"), "{table:?}");
    let names: Vec<&str> = table[1..].iter().map(|row| row.split(' ').next().unwrap()).collect();
    // The very name is first.
    assert_eq!(names[0], term);
    assert_eq!(names.len(), 3);
    let one = user.trust(&["search", "--limit", "1", "-q", &term]).success().stdout;
    assert_eq!(lines(&one).len(), 2);
    let none = user.trust(&["search", "--filter", "is-official=true", "--json", &term]).success();
    assert_eq!(parse(&none.stdout), json!([]));
    let json = user.trust(&["search", "--json", &format!("{host}/database")]).success().stdout;
    let expected = json!([{"name": format!("{host}/database"), "description": "", "star_count": 0, "is_official": false}]);
    assert_eq!(parse(&json), expected);
}

/// A registry with docker's old search.
fn index() -> Server {
    Server::start(|request| match request.target.split('?').next().unwrap() {
        "/v1/_ping" => Reply::file(b"true".to_vec()),
        "/v1/search" => {
            let results = json!({"num_results": 3, "query": "app", "results": [
                {"name": "library/app", "description": "ours", "star_count": 70, "is_official": true},
                {"name": "team/app", "description": "A\nb ".repeat(20), "star_count": 3, "is_official": false},
                {"name": "\u{1b}[31mred", "description": "", "star_count": 99, "is_official": false},
            ]});
            Reply::file(results.to_string().into_bytes())
        }
        _ => Reply::status(404, ""),
    })
}

#[test]
fn dockers_search_is_shown_as_docker_shows_it() {
    let server = index();
    let user = User::new();
    let host = server.host_port();
    let term = format!("{host}/app");
    let search = |args: &[&str]| user.trust(&[&["search", &term], args].concat());
    let shown = search(&[]).success();
    let cut = format!("{}…", "A b ".repeat(11));
    let width = host.len() + "/library/app".len() + 3;
    let expected = [
        format!("{:width$}{:48}{:10}OFFICIAL", "NAME", "DESCRIPTION", "STARS"),
        format!("{:width$}{:48}{:10}[OK]", format!("{host}/library/app"), "ours", "70"),
        format!("{:width$}{:48}{:10}", format!("{host}/team/app"), cut, "3"),
    ];
    assert_eq!(lines(&shown.stdout), expected);
    assert!(shown.stderr.contains("names 1 that no repository can have"), "{shown:?}");
    let names = ["--format", "{{.Name}} {{.StarCount}}"];
    let stars = search(&[&names[..], &["--filter", "stars=4"]].concat()).success().stdout;
    assert_eq!(stars, format!("{host}/library/app 70\n"));
    let others = search(&[&names[..], &["--filter", "is-official=false"]].concat());
    assert_eq!(others.success().stdout, format!("{host}/team/app 3\n"));
    let whole = search(&["--no-trunc", "--format", "{{.Description}}"]).success().stdout;
    assert_eq!(lines(&whole)[1], "A b ".repeat(20));
    let line = search(&["--format", "json"]).success().stdout;
    let first = json!({"Name": format!("{host}/library/app"), "Description": "ours",
        "StarCount": "70", "IsOfficial": "true", "IsAutomated": "false"});
    assert_eq!(parse(lines(&line)[0]), first);
    let automated = search(&["--filter", "is-automated=true"]).success();
    assert_eq!(lines(&automated.stdout).len(), 1);
    assert!(automated.stderr.contains("deprecated"), "{automated:?}");
    assert!(server.log().iter().any(|line| line == "GET /v1/search?q=app&n=25"));
}

#[test]
fn docker_finds_the_same() {
    let server = index();
    let daemon = Dockerd::start();
    let mut user = User::new();
    user.use_docker(&daemon);
    let term = format!("{}/app", server.host_port());
    let fields = "{{.Description}}|{{.StarCount}}|{{.IsOfficial}}";
    for args in [
        &["--format", fields][..],
        &["--format", fields, "--no-trunc"],
        &["--format", fields, "--filter", "stars=70"],
        &["--format", fields, "--filter", "is-official=false"],
        &["--format", "table {{.StarCount}}\t{{.IsOfficial}}\t{{.Description}}"],
    ] {
        let args = [&["search", &term], args].concat();
        let ours = user.trust(&args).success().stdout;
        let theirs = user.program("docker", &args).success().stdout;
        // Docker shows the name that steers the terminal, too.
        let theirs: Vec<&str> = theirs.lines().filter(|line| !line.contains("99")).collect();
        assert_eq!(lines(&ours), theirs, "{args:?}");
    }
    for (filter, words) in
        [("colour=red", "invalid filter 'colour'"), ("stars=many", "invalid filter 'stars=many'")]
    {
        let args = ["search", "--filter", filter, &term];
        let theirs = user.program("docker", &args).expect_code(1).stderr;
        let ours = user.trust(&args).expect_code(2).stderr;
        // Newer daemons begin with a small letter.
        assert!(theirs.to_lowercase().contains(words) && ours.contains(words), "{theirs}{ours}");
    }
}

#[test]
fn a_search_that_is_typed_wrong_asks_nobody() {
    let server = index();
    let user = User::new();
    let term = format!("{}/app", server.host_port());
    for (args, words) in [
        (&["--filter", "colour=red"][..], "invalid filter 'colour'"),
        (&["--filter", "stars=many"], "invalid filter 'stars=many'"),
        (&["--filter", "is-official=perhaps"], "invalid filter 'is-official=perhaps'"),
        (&["--filter", "stars"], "invalid filter 'stars'"),
        (&["--limit", "0"], "limit 0 is outside the range of [1, 100]"),
        (&["--limit", "101"], "limit 101 is outside the range of [1, 100]"),
        (&["--format", "{{.Foo}}"], "there is no field Foo"),
    ] {
        let refused = user.trust(&[&["search", &term], args].concat()).expect_code(2);
        assert!(refused.stderr.contains(words), "{refused:?}");
    }
    let scheme = user.trust(&["search", "https://localhost/app"]).expect_code(2);
    assert!(scheme.stderr.contains("should not have a scheme"), "{scheme:?}");
    assert!(server.log().is_empty());
}

#[derive(Debug)]
struct Nobody;

impl CredentialSource for Nobody {
    fn login(&self) -> Result<Option<Login>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(None)
    }
}

/// Pushes a manifest that refers to another, and returns how a list describes it.
fn push_referrer(registry: &Registry, subject: &Pushed, content: &[u8]) -> Referrer {
    let carrier = image::push_image_as(registry, "app", "carrier", content, Dialect::Oci);
    let mut manifest = parse(std::str::from_utf8(&carrier.manifest).unwrap());
    manifest["artifactType"] = json!("application/x.note");
    manifest["subject"] =
        json!({"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size});
    let bytes = manifest.to_string().into_bytes();
    let digest = image::digest(&bytes);
    let pushed = image::retag_raw(registry, "app", &digest, &carrier.media_type, bytes);
    Referrer {
        media_type: pushed.media_type.clone(),
        digest: Digest::parse(&pushed.digest).unwrap(),
        size: pushed.size,
        artifact_type: Some("application/x.note".to_owned()),
        annotations: [("who".to_owned(), "me".to_owned())].into(),
    }
}

#[test]
fn a_registry_without_the_referrers_api_keeps_the_list_in_a_tag() {
    let registry = deleting();
    let user = User::new();
    let host = registry.host_port();
    let subject = image::push_image_as(&registry, "app", "1", b"subject", Dialect::Oci);
    let name = format!("{host}/app:1");
    let nothing = user.trust(&["manifest", "referrers", &name]).success();
    assert!(nothing.stdout.is_empty() && nothing.stderr.contains("Nothing refers to"));

    let (one, two) =
        (push_referrer(&registry, &subject, b"one"), push_referrer(&registry, &subject, b"two"));
    let reference = Reference::parse(&name).unwrap();
    let options = HttpOptions { insecure: true, ..HttpOptions::default() };
    let client = RegistryClient::new(&reference, HttpClient::new(options), Arc::new(Nobody));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let digest = Digest::parse(&subject.digest).unwrap();
    for referrer in [&one, &two] {
        runtime.block_on(client.announce_referrer("app", &digest, referrer)).unwrap();
    }
    let tag = format!("sha256-{}", subject.hex());
    let kept = image::fetch_manifest(&registry, "app", &tag);
    assert_eq!(kept.header("content-type"), Some("application/vnd.oci.image.index.v1+json"));
    let first = &parse(&kept.text())["manifests"][0];
    let expected = json!({"mediaType": one.media_type, "digest": one.digest.as_str(),
        "size": one.size, "artifactType": "application/x.note", "annotations": {"who": "me"}});
    assert_eq!(*first, expected);

    let listed = user.trust(&["manifest", "referrers", "--json", &name]).success().stdout;
    let row = json!({"repository": format!("{host}/app"), "digest": one.digest.as_str(),
        "media_type": one.media_type, "artifact_type": "application/x.note", "size": one.size,
        "annotations": {"who": "me"}});
    assert_eq!(parse(&listed)[0], row);
    let table = user.trust(&["manifest", "referrers", &name]).success().stdout;
    assert_eq!(lines(&table).len(), 3);
    let other = ["manifest", "referrers", "--json", "--artifact-type", "text/plain", &name];
    assert_eq!(parse(&user.trust(&other).success().stdout), json!([]));

    // Somebody else deletes without a word: the next who announces takes that off, too.
    let path = format!("/v2/app/manifests/{}", one.digest);
    let raw =
        String::from_utf8(registry.request("GET", &path, &[("Accept", &one.media_type)], b"").body);
    assert_eq!(registry.request("DELETE", &path, &[], b"").status, 202);
    let three = push_referrer(&registry, &subject, b"three");
    runtime.block_on(client.announce_referrer("app", &digest, &three)).unwrap();
    let kept = parse(&image::fetch_manifest(&registry, "app", &tag).text());
    let digests: Vec<&str> = (kept["manifests"].as_array().unwrap().iter())
        .map(|entry| entry["digest"].as_str().unwrap())
        .collect();
    assert_eq!(digests, [two.digest.as_str(), three.digest.as_str()]);
    image::retag_raw(&registry, "app", one.digest.as_str(), &one.media_type, raw.unwrap().into());
    runtime.block_on(client.announce_referrer("app", &digest, &one)).unwrap();
    user.trust(&["manifest", "rm", &format!("{host}/app@{}", three.digest)]).success();

    // What is deleted is taken off the list.
    user.trust(&["manifest", "rm", &format!("{host}/app@{}", one.digest)]).success();
    let kept = parse(&image::fetch_manifest(&registry, "app", &tag).text());
    assert_eq!(kept["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(kept["manifests"][0]["digest"], two.digest.as_str());
    user.trust(&["manifest", "rm", &format!("{host}/app@{}", two.digest)]).success();
    let kept = parse(&image::fetch_manifest(&registry, "app", &tag).text());
    assert_eq!(kept["manifests"], json!([]));
}

#[test]
fn a_registry_with_the_referrers_api_is_asked_by_type() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let entry = json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 5,
        "digest": format!("sha256:{}", "b".repeat(64)), "artifactType": "text/x\u{1b}[2J"});
    let index = json!({"schemaVersion": 2, "manifests": [entry, {"digest": "sha256:../x"}]});
    let server = Server::start(move |_| {
        Reply::file(index.to_string().into_bytes())
            .with("Content-Type", "application/vnd.oci.image.index.v1+json")
    });
    let name = format!("{}/app@{digest}", server.host_port());
    let user = User::new();
    let listed = user.trust(&["manifest", "referrers", &name]).success();
    assert!(listed.stdout.contains("text/x\\u{1b}[2J"), "{listed:?}");
    assert!(listed.stderr.contains("names 1 that no manifest can have"), "{listed:?}");
    let typed = ["manifest", "referrers", "--json", "--artifact-type", "a/b", &name];
    assert_eq!(parse(&user.trust(&typed).success().stdout), json!([]));
    let asked = format!("GET /v2/app/referrers/{digest}?artifactType=a%2Fb");
    assert!(server.log().contains(&asked), "{:?}", server.log());
}

/// A registry with one user, and somebody without a login.
fn guarded() -> (Registry, User) {
    let auth = RegistryAuth::Htpasswd { user: "me", password: "secret" };
    let registry = Registry::start(&RegistryOptions { auth, ..RegistryOptions::default() });
    image::push_image(&registry, "app", "1", b"content");
    (registry, User::new())
}

#[test]
fn logins_come_from_dockers_variable_its_files_and_podmans_in_this_order() {
    let (registry, mut user) = guarded();
    let host = registry.host_port();
    let tags = ["tags".to_owned(), "ls".to_owned(), format!("{host}/app")];
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    // `me:secret` and `me:wrong`.
    let (right, wrong) = ("bWU6c2VjcmV0", "bWU6d3Jvbmc=");
    let auths = |auth: &str| json!({"auths": {&host: {"auth": auth}}}).to_string();
    user.trust(&tags).expect_code(9);
    let podmans = user.home().join("auth.json");
    fs::write(&podmans, auths(right)).unwrap();
    user.set("REGISTRY_AUTH_FILE", &podmans.display().to_string());
    user.trust(&tags).success();
    user.unset("REGISTRY_AUTH_FILE");
    user.trust(&tags).expect_code(9);
    let runtime = user.home().join("run");
    fs::create_dir_all(runtime.join("containers")).unwrap();
    fs::write(runtime.join("containers/auth.json"), auths(right)).unwrap();
    user.set("XDG_RUNTIME_DIR", &runtime.display().to_string());
    user.trust(&tags).success();
    // Docker's file goes before podman's, docker's variable before all.
    fs::write(user.docker_config().join("config.json"), auths(wrong)).unwrap();
    user.trust(&tags).expect_code(9);
    user.set("DOCKER_AUTH_CONFIG", &auths(right));
    user.trust(&tags).success();
    user.set("DOCKER_AUTH_CONFIG", "{\"auths\": \"secret\"}");
    let broken = user.trust(&tags).expect_code(9);
    assert!(broken.stderr.contains("DOCKER_AUTH_CONFIG: auths is not an object"), "{broken:?}");
    assert!(!broken.stderr.contains("secret"), "{broken:?}");
}

#[test]
fn a_password_may_be_typed_and_a_login_is_checked_again() {
    let (registry, mut user) = guarded();
    let host = registry.host_port();
    let nobody = user.trust(&["login", "--no-prompt", &host]).expect_code(2);
    assert!(!nobody.stdout.contains("Succeeded"));
    user.trust(&["login", "-u", "me", "-p", "wrong", &host]).expect_code(9);
    let typed = user.trust(&["login", "-u", "me", "-p", "secret", &host]).success();
    assert_eq!(typed.stdout, "Login Succeeded\n");
    assert!(typed.stderr.contains("`--password-stdin` is safer"), "{typed:?}");
    let again = user.trust(&["login", "--no-prompt", &host]).success();
    assert_eq!(again.stdout, "Login Succeeded\n");
    assert!(again.stderr.contains("the login kept for me"), "{again:?}");
    // Docker finds it.
    let kept = parse(&fs::read_to_string(user.docker_config().join("config.json")).unwrap());
    assert_eq!(kept, json!({"auths": {&host: {"auth": "bWU6c2VjcmV0"}}}));
    user.set(
        "DOCKER_AUTH_CONFIG",
        &json!({"auths": {&host: {"auth": "bWU6d3Jvbmc="}}}).to_string(),
    );
    let stale = user.trust(&["login", "--no-prompt", &host]).expect_code(2);
    assert!(stale.stderr.contains("the login that is kept does not do"), "{stale:?}");
    let hidden = user.trust(&["login", "-u", "me", "-p", "secret", &host]).success();
    assert!(hidden.stderr.contains("DOCKER_AUTH_CONFIG has another login"), "{hidden:?}");
}
