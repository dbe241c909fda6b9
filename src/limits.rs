//! Every size, count and depth bound, each with its reason.

/// Largest `timestamp.json` read, in bytes. Notary's own cap; a real one has some 500 bytes.
pub const MAX_TIMESTAMP_BYTES: u64 = 1 << 20;
/// Largest `root.json` read, in bytes. A root with a hundred certificates stays under 200 KiB.
pub const MAX_ROOT_BYTES: u64 = 1 << 20;
/// Largest root or timestamp that a configuration may allow, in bytes, and that is read from the
/// cache: what one run accepted, another with stricter settings still has to begin from.
pub const MAX_CONFIGURED_BYTES: u64 = 16 << 20;
/// Largest snapshot read, in bytes. Notary's cap: one with 75,000 entries has some 20 MiB.
pub const MAX_SNAPSHOT_BYTES: u64 = 100 << 20;
/// Largest targets or delegation file read, in bytes. Notary's cap.
pub const MAX_TARGETS_BYTES: u64 = 100 << 20;
/// Most bytes of targets and delegation files together, taken in one update: each may have a
/// hundred MiB and there may be a thousand, but nobody's memory holds that.
pub const MAX_ALL_TARGETS_BYTES: u64 = 512 << 20;
/// Most root versions followed in one update (TUF 1.0 §5.3.3 leaves the number to us).
pub const MAX_ROOT_ROTATIONS: u64 = 1024;
/// Most first roots of a kept collection from each of which its history is judged: one that was
/// deleted and made anew has two.
pub const MAX_FIRST_ROOTS: usize = 8;
/// Most bytes of one collection that are kept in a rescue folder, and held at once to judge them:
/// ten thousand versions of its files have some 300 MiB.
pub const MAX_RESCUED_BYTES: u64 = 2 << 30;
/// Most collections listed in a rescue folder: Docker Hub's would not fit.
pub const MAX_RESCUED_COLLECTIONS: usize = 1_000_000;
/// Most files of one collection that are kept in a rescue folder: each has a line in its record.
pub const MAX_RESCUED_FILES: usize = 500_000;
/// Largest record of a rescued collection read, in bytes: a file has some 300, a change some 200,
/// and there may be half a million of each.
pub const MAX_RESCUE_RECORD_BYTES: u64 = 512 << 20;
/// Most files of one collection that are noted as asked for and not had.
pub const MAX_NOTED_MISSING: usize = 10_000;
/// Largest file that is fetched beside others, in bytes: hundreds may be under way, and all are
/// held until their turn comes. Larger ones come one by one.
pub const MAX_SIDE_BY_SIDE_BYTES: u64 = 1 << 20;
/// Largest file read that says that a folder is a rescue folder, in bytes.
pub const MAX_RESCUE_MARK_BYTES: u64 = 64 << 10;
/// Most versions of one role that are asked for one by one: a timestamp that is made anew every
/// two weeks has some 26 a year, and a push makes one.
pub const MAX_RESCUED_VERSIONS: u64 = 100_000;
/// Most versions in a row that a server may lack before older ones are no longer asked for.
pub const MAX_MISSING_VERSIONS: u64 = 16;
/// Most files of one collection that are kept though they do not verify: a server that lies must
/// not fill the disk.
pub const MAX_UNVERIFIED_FILES: usize = 256;
/// Most bytes of one collection that are kept though they do not verify.
pub const MAX_UNVERIFIED_BYTES: u64 = 64 << 20;
/// Most requests in a row that a server may leave without an answer before it is asked no more.
pub const MAX_UNANSWERED_IN_A_ROW: u32 = 8;
/// Longest rest that a server may ask for while collections are rescued from it, in seconds.
pub const MAX_RESCUE_REST_SECONDS: u64 = 300;
/// Most times that one file is asked for while the server says that it is busy.
pub const MAX_BUSY_ANSWERS: u32 = 10;
/// Most changes of one collection followed in a changefeed: a year of one a minute.
pub const MAX_FEED_RECORDS: usize = 500_000;
/// Longest word in a line of a changefeed that is kept, in bytes: the longest that servers send is
/// a SHA-256 hash in hex.
pub const MAX_FEED_WORD_BYTES: usize = 64;
/// Largest list of collections read that are to be rescued, in bytes: a million names.
pub const MAX_GUN_FILE_BYTES: u64 = 64 << 20;
/// Most delegation roles visited in one update; a real repository has one a signer.
pub const MAX_DELEGATION_ROLES: usize = 1024;
/// Deepest nesting of delegations followed below `targets`.
pub const MAX_DELEGATION_DEPTH: usize = 32;
/// Deepest nesting of JSON values: deeper input is an attack on the stack, not metadata.
pub const MAX_JSON_DEPTH: usize = 64;
/// Most values in one JSON document. One-member objects cost a hundred times their text in memory,
/// so the size of the text alone bounds too little; a targets file of 100 MiB has some 3,000,000.
pub const MAX_VALUES: usize = 4_000_000;
/// Most sets of keys of one role that a file of a kept collection is tried with: each costs as many
/// signatures as it has keys, for each of thousands of files. A role's keys change a few times a
/// year, and most roles' never.
pub const MAX_KEY_SETS: usize = 256;
/// Most signatures looked at in one metadata file; more than any threshold anyone can meet.
pub const MAX_SIGNATURES: usize = 1024;
/// Most signatures tried that name one key. An honest file has one; each costs a pass over the
/// whole document, and anybody can add some that are wrong.
pub const MAX_SIGNATURES_PER_KEY: usize = 4;
/// Most members not known here that are told of one file: their names are the attacker's.
pub const MAX_UNKNOWN_MEMBERS: usize = 64;
/// Largest version number accepted: the integers that every JSON implementation can hold.
pub const MAX_VERSION: u64 = (1 << 53) - 1;
/// Largest version of a delegation that was removed that its successor is set above: nobody signs
/// two thousand million times, and the server alone vouches for what it says was there.
pub const MAX_LEARNED_VERSION: u64 = (1 << 31) - 1;
/// Largest file of proposals read, in bytes: one that signs every tag of a repository of 75,000
/// has some 12 MiB, and what only waits for signatures must not stop readers.
pub const MAX_PROPOSALS_BYTES: u64 = 16 << 20;
/// Most proposals on one role that are looked at: each costs a pass over the role's file.
pub const MAX_PROPOSALS: usize = 64;
/// Least time, in days, that a proposed file must still hold to be signed or completed; notary
/// calls six months near expiry.
pub const MIN_PROPOSAL_DAYS: i64 = 180;
/// Largest file of a root ceremony read, in bytes: two roots and a targets file, base64.
pub const MAX_CEREMONY_BYTES: u64 = 160 << 20;
/// Largest key, certificate or public key file read, in bytes. Docker's cap.
pub const MAX_KEY_FILE_BYTES: u64 = 1 << 20;
/// Largest backup of keys read, in bytes: ten thousand keys have some 5 MiB.
pub const MAX_BACKUP_BYTES: u64 = 16 << 20;
/// Largest entry of a server's backup that is held, in bytes: a row with a targets file of 100 MiB
/// in base64, and what is around it.
pub const MAX_SERVER_BACKUP_ENTRY_BYTES: u64 = 256 << 20;
/// Most small files of a server (keys, certificates, configuration) in a backup of it.
pub const MAX_SERVER_FILES: usize = 1000;
/// Longest name in a dump of a database, in bytes; both databases allow 63 or 64.
pub const MAX_DUMP_NAME_BYTES: usize = 1024;
/// Most columns of a table in a dump; notary's have fourteen at most.
pub const MAX_DUMP_COLUMNS: usize = 256;
/// Largest row of a table in a dump, in bytes of its text: a targets file of 100 MiB in hexadecimal.
pub const MAX_DUMP_ROW_BYTES: usize = 256 << 20;
/// Most bytes of one collection of a notary server's database that are taken over, in memory at a
/// time: beyond that the oldest files stay behind. Ten years of a large one have some 100 MiB.
pub const MAX_IMPORTED_COLLECTION_BYTES: u64 = 512 << 20;
/// Most keys of one collection of a notary-signer that are taken over: there are two at first, and
/// one more with each rotation.
pub const MAX_IMPORTED_KEYS: usize = 1000;
/// Most bytes of the keys of one collection of a notary-signer, sealed as they are: one has some 700.
pub const MAX_IMPORTED_KEYS_BYTES: u64 = 1 << 20;
/// Largest file of a registry's folder that names content, in bytes; one has 71, or 135.
pub const MAX_LINK_FILE_BYTES: u64 = 256;
/// Most PBKDF2 iterations a key file may ask of us, about ten seconds of work.
pub const MAX_PBKDF2_ITERATIONS: u32 = 10_000_000;
/// Most memory scrypt may ask of us, in bytes; OpenSSL writes files that need 16 MiB.
pub const MAX_SCRYPT_BYTES: u64 = 256 << 20;
/// Most work scrypt may ask of us, in bytes passed through its mixing: a few seconds.
pub const MAX_SCRYPT_WORK: u64 = 1 << 30;
/// Smallest RSA modulus trusted, in bits. Notary's bound.
pub const MIN_RSA_BITS: usize = 2048;
/// Largest RSA modulus worked with, in bits: verification time grows with its square.
pub const MAX_RSA_BITS: usize = 8192;
/// Longest GUN or role name, in bytes. The columns of notary's database.
pub const MAX_NAME_BYTES: usize = 255;
/// Longest target name, in bytes.
pub const MAX_TARGET_NAME_BYTES: usize = 4096;
/// Largest image manifest or index read, in bytes (OCI distribution 1.1, "Pushing manifests").
pub const MAX_MANIFEST_BYTES: u64 = 4 << 20;
/// Most layers of an image that docker takes: it mounts 127 folders at most, two of its own.
pub const MAX_DOCKER_LAYERS: usize = 125;
/// Most layers followed in one manifest.
pub const MAX_LAYERS: usize = 4096;
/// Most manifests followed in one index; one has an entry a platform, perhaps two.
pub const MAX_INDEX_ENTRIES: usize = 4096;
/// Most entries followed in the index of an image layout, one for each name of an image.
pub const MAX_LAYOUT_ENTRIES: usize = 100_000;
/// Largest index of an image layout read, in bytes: an entry has some 300.
pub const MAX_LAYOUT_INDEX_BYTES: u64 = 64 << 20;
/// Largest image configuration read, in bytes: it names every layer, and each step that made it.
pub const MAX_IMAGE_CONFIG_BYTES: u64 = 8 << 20;
/// Least age of content that no image has to be removed from an image layout, in seconds: another
/// program may have written it, and be about to name the image.
pub const MIN_UNUSED_SECONDS: u64 = 3600;
/// Deepest nesting of indexes followed; one that lists indexes is rare, a third level is unheard of.
pub const MAX_INDEX_DEPTH: usize = 4;
/// Most manifests of one image followed, through all its indexes together.
pub const MAX_IMAGE_MANIFESTS: usize = 10_000;
/// Most entries followed in one archive: a file system of an image has some 100,000, a large one a
/// million.
pub const MAX_ARCHIVE_ENTRIES: usize = 4_000_000;
/// Largest `/etc/passwd` or `/etc/group` of an image read, in bytes. BuildKit's bound.
pub const MAX_IMAGE_ACCOUNTS_BYTES: u64 = 10 << 20;
/// Largest list of what is in a layer that is remembered, in bytes: an entry has some 150. A layer
/// with more is unpacked each time.
pub const MAX_LAYER_INDEX_BYTES: u64 = 512 << 20;
/// Largest file whose content is remembered with the list, in bytes: of accounts, that builds look
/// up owners in.
pub const MAX_INDEXED_BYTES: u64 = 64 << 10;
/// Most files of a build's context whose contents are remembered from build to build: some 80 MB.
pub const MAX_KNOWN_FILES: usize = 1_000_000;
/// How long ago, in seconds, a file must have been changed so that a further change would show in
/// its times: some file systems count whole seconds, or two.
pub const RACY_SECONDS: i64 = 2;
/// Longest path of an entry of an archive, in bytes. Linux's `PATH_MAX`.
pub const MAX_ENTRY_PATH_BYTES: usize = 4096;
/// Largest extended header of an entry, in bytes: a file's attributes have at most 64 KiB on the
/// usual file systems. Go's bound.
pub const MAX_EXTENSION_BYTES: u64 = 1 << 20;
/// Most bytes that one layer may unpack to unless a person allows more.
pub const MAX_LAYER_BYTES: u64 = 64 << 30;
/// Bytes that any stream may unpack to, however small it is.
pub const MAX_FREE_EXPANSION_BYTES: u64 = 1 << 30;
/// Most times its own size that a stream may unpack to beyond that: files of zeros give a thousand
/// in gzip, but a whole layer of them is none that anybody runs.
pub const MAX_EXPANSION_RATIO: u64 = 200;
/// Most memory that unpacking xz may take, in KiB: its own highest level takes half of it.
pub const MAX_XZ_MEMORY_KIB: u32 = 128 << 10;
/// Most symbolic links followed on the way to one entry. Linux's bound.
pub const MAX_LINKS_FOLLOWED: usize = 40;
/// Most members of an archive of images: each of its layers has three in docker's old form.
pub const MAX_IMAGE_ARCHIVE_MEMBERS: usize = 100_000;
/// Largest list of the images in docker's archive, in bytes: an image has some 10 KiB.
pub const MAX_ARCHIVE_LIST_BYTES: u64 = 64 << 20;
/// Most bytes of small members of an archive of images that are held until it is known what they
/// are: configurations, and what old versions of docker wrote beside them.
pub const MAX_HELD_BYTES: u64 = 256 << 20;
/// Largest body of an error answer read, in bytes.
pub const MAX_ERROR_BODY_BYTES: u64 = 64 << 10;
/// Largest token answer read, in bytes.
pub const MAX_TOKEN_BYTES: u64 = 1 << 20;
/// Most tags listed for `--all-tags`.
pub const MAX_TAGS: usize = 100_000;
/// Largest page of tags read, in bytes: some registries send all at once.
pub const MAX_PAGE_BYTES: u64 = 16 << 20;
/// Most pages of tags read: a registry whose pages never end is lying.
pub const MAX_PAGES: usize = 10_000;
/// Most repositories gone through in a registry's catalog: Docker Hub's would not fit, and has none.
pub const MAX_REPOSITORIES: usize = 1_000_000;
/// Most manifests listed that refer to one: an image has a few signatures and bills of material.
pub const MAX_REFERRERS: usize = 10_000;
/// Most tags whose digests are compared before a manifest is deleted: each is a request.
pub const MAX_COMPARED_TAGS: usize = 10_000;
/// Most bytes of the manifests of one index that are shown together; real ones have some 20 KiB.
pub const MAX_SHOWN_BYTES: u64 = 64 << 20;
/// Largest page of a changefeed read, in bytes: a thousand changes have some 300 KiB.
pub const MAX_CHANGEFEED_BYTES: u64 = 8 << 20;
/// Largest change file read, in bytes. One holds a target with its custom data, or a few keys.
pub const MAX_CHANGE_BYTES: u64 = 16 << 20;
/// Largest file of custom data read, in bytes: every reader of the role's file carries it along.
pub const MAX_CUSTOM_BYTES: u64 = 1 << 20;
/// Largest list of roles to remove from the metadata cache, in bytes: more than any repository has.
pub const MAX_REMOVALS_BYTES: u64 = 16 << 20;
/// Largest list of cached files that a commit replaces, in bytes: names as above, and hashes.
pub const MAX_REPLACED_BYTES: u64 = 32 << 20;
/// Largest `config.json` of docker read, in bytes: one with a thousand logins has some 200 KiB.
pub const MAX_CONFIG_BYTES: u64 = 16 << 20;
/// Largest answer of a credential helper read, in bytes; a token has some 3 KiB.
pub const MAX_HELPER_ANSWER_BYTES: u64 = 1 << 20;
/// Largest answer of the `docker` program read, in bytes: the list of its plugins has some 10 KiB, a
/// line about a transfer some 100 bytes.
pub const MAX_DOCKER_ANSWER_BYTES: u64 = 4 << 20;
/// Longest password or token read from the standard input, in bytes; a token has some 3 KiB.
pub const MAX_PASSWORD_BYTES: u64 = 64 << 10;
/// Longest wait for one answer of a token or a remote signer, in seconds: a network's token takes
/// some milliseconds, and who publishes waits for two.
pub const SIGNER_DEADLINE_SECONDS: u64 = 10;
/// Longest wait for a connection to a remote signer, in seconds: it is a machine near by.
pub const SIGNER_CONNECT_SECONDS: u64 = 5;
/// Largest message that a remote signer is sent, in bytes: gRPC takes 4 MiB, with what is around
/// the message.
pub const MAX_SIGNER_MESSAGE_BYTES: usize = 4_000_000;
/// Largest message that is signed on the thread that also answers requests, in bytes: hashing it
/// takes some 0.1 ms.
pub const MAX_INLINE_MESSAGE_BYTES: usize = 128 << 10;
/// Largest answer of a remote signer read, in bytes; a public key and its ids have some 300.
pub const MAX_SIGNER_ANSWER_BYTES: usize = 64 << 10;
/// Most times that keys are sealed again because new ones were made meanwhile.
pub const MAX_RESEAL_ROUNDS: usize = 16;
/// Longest token a server takes, in bytes: one with a chain of three certificates has some 8 KiB.
pub const MAX_BEARER_BYTES: usize = 32 << 10;
/// Longest name and password a server takes, in bytes as sent; tokens used as passwords have 3 KiB.
pub const MAX_BASIC_BYTES: usize = 8 << 10;
/// Most certificates of a token followed: a leaf, and authorities.
pub const MAX_TOKEN_CERTIFICATES: usize = 8;
/// Most a token server's clock may differ from ours, in seconds. Docker's leeway.
pub const TOKEN_LEEWAY_SECONDS: i64 = 60;
/// Lifetime of a token that the server gives out, in seconds: clients fetch the next one unasked.
pub const TOKEN_LIFETIME_SECONDS: i64 = 300;
/// Lifetime of what `docker login` keeps instead of a password, in days.
pub const REFRESH_TOKEN_DAYS: i64 = 90;
/// Most scopes of one token: docker asks for two, with content trust for three.
pub const MAX_TOKEN_SCOPES: usize = 64;
/// Largest form sent to the token service, in bytes: a token, and scopes.
pub const MAX_TOKEN_FORM_BYTES: u64 = 64 << 10;
/// Largest accounts file or htpasswd file read, in bytes: 20,000 accounts have some 5 MiB.
pub const MAX_ACCOUNTS_BYTES: u64 = 16 << 20;
/// Highest cost of bcrypt taken: a check at 16 takes some four seconds, and twice that at 17.
pub const MAX_BCRYPT_COST: u32 = 16;
/// Most memory argon2 may ask of a server for one login, in bytes.
pub const MAX_ARGON2_MEMORY_BYTES: u64 = 256 << 20;
/// Most memory passed over for one login with argon2, in bytes: about a second of work.
pub const MAX_ARGON2_WORK_BYTES: u64 = 1 << 30;
/// Most lanes argon2 may ask for; here they are walked one after the other.
pub const MAX_ARGON2_LANES: u32 = 16;
/// Most logins that wait for their check; the next are told to come back.
pub const MAX_WAITING_PASSWORDS: usize = 256;
/// Most right passwords remembered.
pub const MAX_CACHED_PASSWORDS: usize = 4096;
/// How long a right password is remembered, in seconds: one push shows it a hundred times.
pub const PASSWORD_CACHE_SECONDS: u64 = 30;
/// Wrong passwords of one address for one user before it has to wait: people mistype.
pub const FREE_ATTEMPTS: u32 = 5;
/// Wrong passwords of one address before it has to wait: many people may share it.
pub const FREE_ATTEMPTS_OF_ADDRESS: u32 = 50;
/// Wrong passwords for one user, from anywhere, before looking at the next is delayed.
pub const FREE_ATTEMPTS_OF_USER: u32 = 20;
/// Longest wait after a wrong password, in seconds: at this pace nobody guesses anything.
pub const MAX_PENALTY_SECONDS: u64 = 64;
/// Longest delay of a login for a user whom many guess at, in seconds: the right one must get in.
pub const MAX_USER_DELAY_SECONDS: u64 = 2;
/// How long wrong passwords are remembered, in seconds.
pub const FORGET_FAILURES_SECONDS: u64 = 900;
/// Most addresses and users whose wrong passwords are counted: each costs some 64 bytes.
pub const MAX_COUNTED_GUESSERS: usize = 16_384;
/// Shortest passphrase accepted for a new key when it is typed, in characters. Notary's rule.
pub const MIN_PASSPHRASE_CHARS: usize = 8;
/// Times a passphrase is asked for before giving up. Notary's rule.
pub const MAX_PASSPHRASE_ATTEMPTS: u32 = 3;
/// Times a key's passphrase is tried, from all sources together. Notary's hard bound.
pub const MAX_UNLOCK_ATTEMPTS: u32 = 10;
/// Lifetime of a root, in days. Docker's and notary's default.
pub const ROOT_LIFETIME_DAYS: i64 = 3650;
/// Lifetime of targets and delegations, in days. Docker's and notary's default.
pub const TARGETS_LIFETIME_DAYS: i64 = 1095;
/// How long before its end metadata is about to expire, in calendar months. Notary's rule.
pub const NEAR_EXPIRY_MONTHS: i64 = 6;
/// Most a server's clock may differ from ours before that is told, in seconds.
pub const MAX_CLOCK_SKEW_SECONDS: i64 = 300;
/// Lifetime of a snapshot, in days. Docker's and notary's default.
pub const SNAPSHOT_LIFETIME_DAYS: i64 = 1095;
/// Largest Dockerfile, compose file or Kubernetes file read, in bytes; a bundle of hundreds of
/// Kubernetes objects with their schemas has some 4 MiB.
pub const MAX_IMAGE_FILE_BYTES: u64 = 8 << 20;
/// Longest that one call of `git` may take, in seconds: a large history over a slow line.
pub const MAX_GIT_SECONDS: u64 = 1800;
/// Most bytes that a download of a build may have: 16 GiB, as much as layers of the largest images.
pub const MAX_DOWNLOAD_BYTES: u64 = 16 << 30;
/// Largest lock file of a build read, in bytes; one of a thousand images has some 150 KiB.
pub const MAX_BUILD_LOCK_BYTES: u64 = 4 << 20;
/// Largest secret of a build read, in bytes: as BuildKit has it.
pub const MAX_BUILD_SECRET_BYTES: u64 = 500 << 10;
/// Most images taken from one such file: trust is asked about each.
pub const MAX_FILE_IMAGES: usize = 4096;
/// Most files and folders that one audit looks at in one folder and what is below it: several times
/// what the largest source trees have.
pub const MAX_AUDIT_ENTRIES: usize = 2_000_000;
/// Most findings of one audit: whoever has more begins with these.
pub const MAX_AUDIT_FINDINGS: usize = 10_000;
/// Most images and collections that one audit asks trust servers about.
pub const MAX_AUDIT_IMAGES: usize = 4096;
/// Most places told of one image: whoever changes it at so many has a list to begin with.
pub const MAX_AUDIT_PLACES: usize = 1000;
/// Deepest nesting of values in a compose file or Kubernetes file; schemas have some 40.
pub const MAX_YAML_DEPTH: usize = 128;
/// Most values in a compose file or Kubernetes file: each costs some hundred bytes of memory.
pub const MAX_YAML_NODES: usize = 500_000;
/// Most arguments taken from before the first FROM of a Dockerfile; few have ten.
pub const MAX_GLOBAL_ARGUMENTS: usize = 1024;
/// Longest line of a Dockerfile, in bytes. BuildKit's bound.
pub const MAX_DOCKERFILE_LINE_BYTES: usize = 65_535;
/// Most bytes that one word of a Dockerfile, or one here-document, may expand to. Linux takes no
/// variable of more than 128 KiB, but arguments that are made of others can double with every line.
pub const MAX_EXPANDED_BYTES: usize = 4 << 20;
/// Most steps of looking for the patterns of one word (`${x%pattern}`), each at one character.
pub const MAX_PATTERN_STEPS: u64 = 16_000_000;
/// Longest pattern of paths, in bytes: no path that it could match is longer.
pub const MAX_PATH_PATTERN_BYTES: usize = 4096;
/// Most patterns in a `.dockerignore`: each is held against every file.
pub const MAX_IGNORE_PATTERNS: usize = 10_000;
/// Longest name of an image looked at, in characters; with a tag and a digest one has at most some
/// 770. Arguments that are made of others can double with every line.
pub const MAX_IMAGE_TEXT_CHARS: usize = 1024;
/// Deepest nesting of variables in the defaults of others.
pub const MAX_EXPANSION_DEPTH: usize = 32;
/// Lifetime of a timestamp that the server makes, in days. Notary's default.
pub const TIMESTAMP_LIFETIME_DAYS: i64 = 14;
/// How long before its end the server renews a timestamp, in days: a signer may be away over a long
/// weekend.
pub const TIMESTAMP_RENEWAL_DAYS: i64 = 4;
/// How long before its end the server renews a snapshot, in days: they last for years, and clients
/// warn months before.
pub const SNAPSHOT_RENEWAL_DAYS: i64 = 190;
/// How often the server looks for timestamps to renew, in seconds; a look costs one question to
/// the database.
pub const RENEWAL_INTERVAL_SECONDS: u64 = 600;
/// By how many versions a server's own files jump when an archive is adopted, or after the server
/// came back from an old copy, unless told otherwise: more than were published or renewed since any
/// copy worth going on from.
pub const BUMP_VERSIONS: u64 = 1_000;
/// Largest publication that the server takes unless its configuration says otherwise, in bytes: a
/// targets file with 30,000 tags has some 6 MiB.
pub const MAX_PUBLICATION_BYTES: u64 = 8 << 20;
/// Most files in one publication: the base roles and every delegation that is followed.
pub const MAX_UPLOAD_PARTS: usize = 1028;
/// Largest state of a mirror read, in bytes: a line for each of a million collections.
pub const MAX_MIRROR_STATE_BYTES: u64 = 256 << 20;
/// Most files in one request that brings a collection: all its roots and what is current, or a part
/// of what was before.
pub const MAX_IMPORT_PARTS: usize = 4096;
/// Most bytes of old files that are sent in one request: half of what servers take unless told
/// otherwise, so that the last file still fits.
pub const MAX_IMPORT_PIECE_BYTES: usize = 4 << 20;
/// Most keys that the server hands out for repositories of which nothing is published yet.
pub const MAX_KEYS_IN_WAITING: u64 = 10_000;
/// Least time that such a key is kept when there are too many, in seconds: a person may set up a
/// repository in the morning and publish in the evening.
pub const MIN_KEY_WAITING_SECONDS: i64 = 86_400;
/// Changes in a page of the server's changefeed if the reader does not say. Notary's default.
pub const USUAL_CHANGES: u32 = 100;
/// Most changes in a page of the server's changefeed: it has some 300 KiB.
pub const MAX_CHANGES: u32 = 1000;
/// Times that a change of the server's database is tried when others are in the way.
pub const MAX_WRITE_ATTEMPTS: u32 = 40;
/// Bytes of content that are written, hashed, read and sent at a time: two or three such pieces are
/// in memory for each transfer, whatever its size.
pub const BLOB_PIECE_BYTES: usize = 512 << 10;
/// Most bytes of an upload that a crash can lose: after so many, what is there is saved and noted.
pub const UPLOAD_CHECKPOINT_BYTES: u64 = 8 << 20;
/// How long the name of an upload can be used to begin it, in seconds.
pub const UPLOAD_NAME_SECONDS: i64 = 86_400;
/// Most objects that are remembered to have been found whole; each takes some 200 bytes.
pub const MAX_VERIFIED_OBJECTS: usize = 50_000;
/// How long content that was found whole is served without being hashed again, in seconds.
pub const VERIFIED_FOR_SECONDS: u64 = 3600;
/// Most entries on one page of tags, repositories or referrers.
pub const MAX_PAGE_ENTRIES: usize = 1000;
/// Entries on a page of repositories if the client does not say how many. That of distribution.
pub const CATALOG_PAGE_ENTRIES: usize = 100;
/// Most bytes of one page of referrers: it is an index, and so bound as one is.
pub const MAX_REFERRERS_PAGE_BYTES: usize = 3 << 20;
/// Most repositories looked through for one page of those that the caller may see.
pub const MAX_SCANNED_REPOSITORIES: usize = 10_000;
/// Most repositories that have a blob looked through for one to mount it from.
pub const MAX_MOUNT_SOURCES: usize = 100;
/// Most repositories found by one search. Docker's bound.
pub const MAX_SEARCH_RESULTS: usize = 100;
/// Most tags set by one push of a manifest; the specification asks for ten at least.
pub const MAX_TAG_PARAMETERS: usize = 100;
/// How long nobody must have relied on stored content before it is garbage, in seconds: a push may be
/// interrupted for a night.
pub const GC_GRACE_SECONDS: u64 = 86_400;
/// Least such time while a server may be running, in seconds: a client pushes its blobs first and
/// its manifest last.
pub const MIN_GC_GRACE_SECONDS: u64 = 3600;
/// How long a blob stays condemned before it is removed, in seconds: longer than any request takes
/// that saw it live.
pub const GC_DELAY_SECONDS: u64 = 3600;
/// How long is waited between two garbage collections, in seconds.
pub const GC_INTERVAL_SECONDS: u64 = 3600;
/// How long an upload is kept that gets no further, in seconds. Distribution's purge age.
pub const UPLOAD_LIFETIME_SECONDS: u64 = 604_800;
/// Rows that upkeep looks at at a time.
pub const GC_PAGE_ROWS: usize = 500;
/// Rows that upkeep changes in one transaction: pushes wait for no more than that.
pub const GC_BATCH_ROWS: usize = 50;
/// Most rules of an enforcement policy: each request goes through them.
pub const MAX_POLICY_RULES: usize = 1024;
/// Most roles, signers or roots that one rule names.
pub const MAX_RULE_NAMES: usize = 256;
/// Most days that something replaced may still be had by its digest: ten years.
pub const MAX_SUPERSEDED_DAYS: i64 = 3650;
/// Most manifests looked at that have one blob or manifest, to find one that is signed: a common
/// base layer is in thousands.
pub const MAX_PARENTS: usize = 100_000;
/// Most signed targets remembered of all collections together; each takes some 300 bytes.
pub const MAX_REMEMBERED_TARGETS: usize = 200_000;
/// Most blobs and manifests of which it is remembered whether something signed has them.
pub const MAX_REMEMBERED_PARTS: usize = 100_000;
/// Most bytes of recent answers that a server keeps in memory.
pub const MAX_HOT_BYTES: usize = 16 << 20;
/// How long they are kept at most, in seconds: what is asked for is noted as in use that often.
pub const HOT_SECONDS: i64 = 20;
/// Most repositories and collections of which a server remembers that they were written to.
pub const MAX_HOT_SCOPES: usize = 100_000;
/// Most manifests of an image that are pushed in one request with its signature: one for each
/// platform, and one for what was noted about each.
pub const MAX_PUSHED_MANIFESTS: usize = 256;
/// Most bytes of the manifests of such an image together: each has some 2 KiB.
pub const MAX_PUSHED_MANIFEST_BYTES: usize = 16 << 20;
/// Largest configuration file of the server read, in bytes; one with a hundred accounts has some
/// 20 KiB.
pub const MAX_SERVER_CONFIG_BYTES: u64 = 4 << 20;
/// Most values in the server's configuration, all that aliases stand for counted.
pub const MAX_SERVER_CONFIG_NODES: usize = 200_000;
/// Deepest nesting of values in the server's configuration; the deepest known has five.
pub const MAX_SERVER_CONFIG_DEPTH: usize = 32;
/// Time for the head of a request, and for a TLS handshake, in seconds: a slow mobile link needs
/// two.
pub const MAX_HEADER_SECONDS: u64 = 10;
/// Time that a connection to the server may be without a request, in seconds: docker pauses between
/// layers.
pub const MAX_IDLE_SECONDS: u64 = 120;
/// Time spent waiting for a peer's bytes, in seconds, after which the server counts them.
pub const MAX_BODY_WAIT_SECONDS: u64 = 30;
/// Least bytes a second that a peer sends or takes while it is waited for: a modem's tenth.
pub const MIN_BODY_RATE: u64 = 1000;
/// Most connections to the server at a time: each holds some 30 KiB.
pub const MAX_CONNECTIONS: usize = 4096;
/// Most connections of one address at a time (one /64 of IPv6): a company behind one address has
/// hundreds of machines.
pub const MAX_PEER_CONNECTIONS: usize = 1024;
/// Most TLS handshakes at a time; each is a signature, and waits for its peer most of the time.
pub const MAX_HANDSHAKES: usize = 1024;
/// Largest head of a request, in bytes: tokens have some 4 KiB, proxies add theirs.
pub const MAX_HEADER_BYTES: usize = 64 << 10;
/// Most header fields of a request; docker sends ten, proxies add as many.
pub const MAX_HEADERS: usize = 100;
/// Longest path and query of a request, in bytes: a name, a digest, and the state of an upload.
pub const MAX_URL_BYTES: usize = 8 << 10;
/// Most requests at a time on one connection of HTTP/2.
pub const MAX_STREAMS: u32 = 128;
/// Time that requests have to end once the server is told to, in seconds.
pub const MAX_DRAIN_SECONDS: u64 = 30;
/// Lifetime of the server's own certificate authority, in days.
pub const SERVER_AUTHORITY_DAYS: i64 = 3650;
/// Lifetime of a certificate that it makes, in days.
pub const SERVER_CERTIFICATE_DAYS: i64 = 90;
/// How long before its end such a certificate is renewed, in days.
pub const SERVER_CERTIFICATE_RENEWAL_DAYS: i64 = 30;
/// Most steps of builds whose outcome is remembered: a build has some twenty.
pub const MAX_BUILD_STEPS_KEPT: usize = 20_000;
/// Largest list of such steps read, in bytes: each takes some 400, and a long command more.
pub const MAX_BUILD_CACHE_BYTES: u64 = 64 << 20;
/// Most instructions that a base has for builds that begin from it; real ones have up to ten.
pub const MAX_TRIGGERS: usize = 1000;
/// Most folders put on top of each other for a command: overlayfs takes 500, one page of options
/// some 240; images have 127 at most with docker.
pub const MAX_ROOT_LAYERS: usize = 200;
/// Most processes of a command, where the kernel can bound them: what a large parallel build needs,
/// and a fraction of what a machine has.
pub const MAX_RUN_PROCESSES: u32 = 16_384;
/// Most files that each process of a command may have open: systemd's, and so docker's.
pub const MAX_RUN_OPEN_FILES: u64 = 524_288;
/// Most copies of one private cache: as many commands may use it at the same time.
pub const MAX_CACHE_COPIES: usize = 64;
/// Largest file of name servers read, in bytes.
pub const MAX_RESOLV_CONF_BYTES: u64 = 64 << 10;
