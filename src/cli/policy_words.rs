//! The words of `trust repo export`: what is lost, and how to go on (`spec/policy-export.md`).

use crate::actions::repo::export::{Facts, Loss, NotCarried, Policy, store_name};
use crate::cli::audit::words::count;
use crate::cli::findings::day;

/// What is lost, in one sentence or two.
pub fn loss(loss: &Loss) -> String {
    match loss {
        Loss::Signatures { tags } => format!(
            "Signatures. None of those that there are verifies there: {} to be signed anew, by \
             whoever has the keys.",
            match tags {
                1 => "1 tag has".to_owned(),
                tags => format!("{tags} tags have"),
            }
        ),
        Loss::Freshness { until } => format!(
            "Freshness. Now a server has to say every few days that this is the newest (the last \
             time until {}), and readers refuse what is older. There, a registry can serve an old \
             state for ever, and nobody notices.",
            day(*until)
        ),
        Loss::Rollback => "Rollback protection. Now readers refuse a version below one they have \
                           seen. There, every signature ever made stays good: an older image with a \
                           known hole verifies as well as the newest, until its key is given up."
            .to_owned(),
        Loss::TagBinding => "The tag. Now a digest is signed for a tag. There, the signature names \
                             the digest alone: whoever can write to the registry may put any tag of \
                             this repository on any image that was ever signed."
            .to_owned(),
        Loss::Delegations { delegations, keys } => format!(
            "Delegation. {} become {} that may each sign every tag; who let whom sign, and until \
             when, is not known there.",
            count(*delegations, "delegation"),
            count(*keys, "key")
        ),
        Loss::Paths { role, paths } => {
            let paths: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
            let paths = if paths.is_empty() { "nothing".to_owned() } else { paths.join(", ") };
            format!("Paths. {role} may sign only names that begin with {paths}; its keys may sign all there.")
        }
        Loss::Threshold { role, need } => format!(
            "Threshold. {role} needs {need} signatures by different keys; there, one is enough."
        ),
        Loss::NotCounting { role } => format!(
            "{role} vouches for images, but its word alone makes none trusted; its keys are left \
             out, so that they cannot there either."
        ),
        Loss::KeyChange => "Replacing keys. Now a new root, signed by the old one, tells every \
                            reader of new keys and of those that no longer count. There, the files \
                            of every reader have to be changed by hand, also when a key is stolen."
            .to_owned(),
        Loss::NotCarried { name, id, why } => {
            format!("The key {name} ({}) is not carried: {}.", id.as_str(), not_carried(*why))
        }
        Loss::Expired { role, since } => format!(
            "{role} had expired on {} when this was exported: whether its keys still count, its \
             owner has to say.",
            day(*since)
        ),
        Loss::Unusable { role } => {
            format!("{role} could not be used when this was exported, and is left out.")
        }
    }
}

fn not_carried(why: NotCarried) -> &'static str {
    match why {
        NotCarried::Unreadable => "it cannot be read",
        NotCarried::NoCertificate => {
            "only certificates are known there, and the trust data has none for it; README.md says \
             how its owner makes one"
        }
        NotCarried::IsAuthority => {
            "its certificate is an authority's: it could not sign images there itself, and whatever \
             it issues could"
        }
        NotCarried::ByAuthority => {
            "its certificate is issued by an authority: to trust that would let in everybody whom \
             it certifies; name its subject in `trustedIdentities` by hand if that is meant"
        }
        NotCarried::OutOfDate => "its certificate is not valid at this time",
        NotCarried::OtherUse => {
            "its certificate is not for signing code alone, which is demanded there; README.md says \
             how its owner makes another"
        }
        NotCarried::Algorithm => "keys of this kind are not known there",
    }
}

/// `LOST.md`: the account of what is lost.
pub fn lost(facts: &Facts, policy: Policy, losses: &[Loss]) -> String {
    let mut text = format!(
        "# What is lost when {} moves to {}\n\nWhat stands here was true of version {} of its root, \
         on {}.\n\n",
        facts.gun,
        system(policy),
        facts.root_version,
        day(facts.now)
    );
    for one in losses {
        text.extend([format!("- {}\n", loss(one))]);
    }
    text.push_str(
        "\nNothing of this is lost where the collection stays what it is: `trust rescue`, `trust \
         serve --import` and `trust repo adopt` let it go on on another server, under the same root \
         and the same keys.\n",
    );
    text
}

fn system(policy: Policy) -> &'static str {
    match policy {
        Policy::Notation => "notation",
        Policy::Cosign => "cosign",
        Policy::Containers => "a policy of podman, skopeo, buildah and CRI-O",
    }
}

/// `README.md`: what the files are, and how to go on.
pub fn readme(facts: &Facts, policy: Policy) -> String {
    let gun = &facts.gun;
    let store = store_name(gun);
    let mut text = format!(
        "# {gun} for {}\n\nWritten by `trust repo export`. LOST.md says what is lost; export.json \
         has all facts for programs.\n\n",
        system(policy)
    );
    text.push_str(
        "- `keys/`: the public keys whose word alone makes an image of this repository trusted\n- \
         `tags.tsv`: every tag with its digest, its size and who vouches for it; nothing of it is \
         signed there yet\n",
    );
    let own = match policy {
        Policy::Notation => format!(
            "- `trustpolicy.json`: the policy; where notation has one already, its statement goes into that\n- \
             `truststore/x509/ca/{store}/`: certificates of signers, if the trust data has any\n- `certificate.cnf`: for making the others\n"
        ),
        Policy::Cosign => {
            "- `cluster-image-policy.yaml`: for Sigstore's policy controller; one of the keys is \
             enough\n- `signing-config.json`: for cosign 3: no transparency log is told\n"
                .to_owned()
        }
        Policy::Containers => format!(
            "- `policy.json`: its scope goes into `/etc/containers/policy.json`; as it is it lets \
             nothing else in\n- `registries.d/{store}.yaml`: goes into \
             `/etc/containers/registries.d/`, so that signatures are looked for\n\nDebian 12 has \
             switched such signatures off in its skopeo and podman; Debian 13 has not.\n"
        ),
    };
    text.push_str(&own);
    text.push_str(
        "\nPrivate keys are not among this. Each signer exports his own, where it is, and is asked \
         for its passphrase:\n\n",
    );
    for key in facts.counting() {
        let name = &key.name;
        text.extend([format!(
            "    trust key export --key {} -o {name}-encrypted.key\n    sed -e '/: /d' -e '/^$/d' \
             {name}-encrypted.key | \
             openssl pkey -out {name}-plain.pem\n",
            key.id.short(SHORT_ID)
        )]);
    }
    text.push_str(
        "\n`sed` takes the lines away that say whose key it is, which openssl does not know. The second \
         file is not encrypted: remove it when the other program has the key.\n\n",
    );
    text.push_str(&signing(facts, policy, &store));
    text
}

fn signing(facts: &Facts, policy: Policy, store: &str) -> String {
    let gun = &facts.gun;
    let key = facts.counting().next().map_or("key", |key| key.name.as_str());
    let import =
        format!("    cosign import-key-pair --key {key}-plain.pem --output-key-prefix {key}\n");
    match policy {
        Policy::Notation => format!(
            "A certificate for a key, and its place in the trust store; then store and policy are \
             handed to notation, whose own policy, if it has one, is left as it is:\n\n    mkdir -p \
             truststore/x509/ca/{store}\n    openssl req -x509 -new -config certificate.cnf -days \
             365 -sha256 -key {key}-plain.pem -subj \"/C=XX/ST=XX/O=XX/CN={key}\" -out \
             truststore/x509/ca/{store}/{key}.pem\n    notation certificate add --type ca --store \
             {store} truststore/x509/ca/{store}/*.pem\n    notation policy import \
             trustpolicy.json\n\nWhoever signs names key and certificate, with their whole paths, in \
             `~/.config/notation/signingkeys.json`, for which notation has no command:\n\n    \
             {{\"keys\": [{{\"name\": \"{key}\", \"keyPath\": \"/PATH/{key}-plain.pem\", \"certPath\": \
             \"/PATH/truststore/x509/ca/{store}/{key}.pem\"}}]}}\n\nThen every digest of `tags.tsv` \
             is signed anew, and verified:\n\n    for digest in $(cut -f2 tags.tsv | sort -u); do\n        \
             notation sign --key {key} \"{gun}@$digest\"\n        notation verify \"{gun}@$digest\"\n    \
             done\n"
        ),
        Policy::Cosign => {
            let mut text = format!(
                "{import}\nThen every digest of `tags.tsv` is signed anew, and verified:\n\n    for \
                 digest in $(cut -f2 tags.tsv | sort -u); do\n        cosign sign --key {key}.key \
                 --signing-config signing-config.json \"{gun}@$digest\"\n        cosign verify --key \
                 keys/{key}.pem --insecure-ignore-tlog \"{gun}@$digest\"\n    done\n\nThis is for cosign \
                 3. cosign 2 has `--tlog-upload=false` in place of `--signing-config \
                 signing-config.json`. Sigstore's policy controller takes signatures by a key only as \
                 cosign 2 writes them.\n"
            );
            if facts.counting().any(|key| key.algorithm == "ed25519") {
                text.push_str(
                    "\ncosign 3 does not verify what it signed with an Ed25519 key itself: sign with \
                     cosign 2.\n",
                );
            }
            text
        }
        Policy::Containers => format!(
            "{import}\nThen every tag of `tags.tsv` is copied onto itself, which signs it for its tag, \
             if the registry serves the digest that stands there:\n\n    skopeo copy --all \
             --registries.d \"$PWD/registries.d\" --sign-by-sigstore-private-key {key}.key \
             docker://{gun}:TAG docker://{gun}:TAG\n\nWhat cosign signs is not accepted by this policy: \
             it names no tag.\n"
        ),
    }
}

/// Digits of an id that tell a key.
const SHORT_ID: usize = 7;
