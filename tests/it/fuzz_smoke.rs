//! The fuzz targets, over what the real programs wrote and over changes of it, the same every time:
//! a smoke test, not a search. `fuzz/README.md` tells how to search.

use std::fs;
use std::path::{Path, PathBuf};

#[expect(unreachable_pub, reason = "elsewhere it is a crate of its own")]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// Changes of each seed.
const CHANGES: u64 = 6;
/// Seeds are cut off behind this: the rest is more of the same.
const LONGEST_SEED: usize = 9 << 10;
/// Signing takes time, and so does the disk: where that is done, of the seeds one in so many, and instructions, are enough.
const SLOW: [&str; 3] = ["load", "signed_sequence", "trusted_set"];
const SLOW_STRIDE: usize = 10;
const LONGEST_INSTRUCTIONS: usize = 24;

/// Texts that mean something to one reader or another.
const WORDS: &[&str] = &[
    "{\"auths\":{\"https://localhost:5000/v1/\":{\"auth\":\"YTpi\"}},\"credsStore\":\"\"}",
    "localhost:5000/a/b:tag@sha256:0000000000000000000000000000000000000000000000000000000000000000",
    "Bearer realm=\"https://a/b\",service=\"c\\\"d\",scope=\"repository:a:pull\", Basic realm=e",
    "targets/releases alice/ bob\ntargets alice\ntargets/releases/deep alice/x\nalice/x/y",
    "<https://a/v2/_catalog?n=1>; rel=\"next\"",
    "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"\\u001b[31m\",\"detail\":null}]}",
    "{\"token\":\"x\",\"expires_in\":9223372036854775807,\"issued_at\":\"2026-01-01T00:00:00Z\"}",
    "{\"count\":1,\"records\":[{\"ID\":\"1\",\"GUN\":\"a\",\"Version\":1,\"SHA256\":\"\"}]}",
    "2026-11-23T15:04:43.123456789+14:00",
    "# escape=`\nARG B=a\nFROM $B AS x\nCOPY --from=\"y\" [\"a\", \"/b\"]\nRUN <<-E cat `\n\t1\n\tE\n",
    "FROM a\nONBUILD ADD <<E b /c\nx\nE\nENV a=\"b c\" d='e'\nRUN --mount=type=cache,target=/x y\n",
    "HEALTHCHECK --interval=1m CMD x\nEXPOSE 80/TCP\nLABEL a b\n# check=skip=all\nWORKDIR $A\n",
    "${a:-${b#*/}}\"${c%%x}\"$d'$e'${f//a*/\\/}\n/a*b/",
    "*\n!a/**/b\n**/*.c\n[^a-z]?\n\na/x/b/y.c",
    "-----BEGIN PRIVATE KEY-----",
    "\"keyids\":[",
    "\"threshold\":0",
    "9007199254740993",
    "-0",
    "1e400",
    "\\ud800",
    "\\u0000",
    "../",
    "\u{7f}\u{80}",
    "\r\n\r\n",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
];

#[test]
fn every_target_withstands_what_real_programs_wrote_and_changes_of_it() {
    let seeds = seeds();
    assert!(seeds.len() > 80, "only {} seeds", seeds.len());
    for (index, (name, target)) in (0..).zip(targets::ALL) {
        let mut dice = Dice(index);
        let longest = if *name == "signed_sequence" { LONGEST_INSTRUCTIONS } else { usize::MAX };
        let stride = if SLOW.contains(name) { SLOW_STRIDE } else { 1 };
        for seed in seeds.iter().step_by(stride) {
            target(&seed[..seed.len().min(longest)]);
            for _ in 0..CHANGES {
                let mut changed = dice.change(seed, &seeds);
                changed.truncate(longest);
                let outcome = std::panic::catch_unwind(|| target(&changed));
                assert!(outcome.is_ok(), "{name}: {:?}", String::from_utf8_lossy(&changed));
            }
        }
    }
}

/// Every function is the target of its name, and cargo knows it.
#[test]
fn targets_functions_and_the_list_are_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let mut files: Vec<String> = (fs::read_dir(folder.join("fuzz_targets")).unwrap())
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let listed: Vec<&str> = targets::ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(files, listed);
    for name in listed {
        let file = fs::read_to_string(folder.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(file.contains(&format!("trust_fuzz::{name}(data)")), "{name}");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let into = if path.is_dir() { &mut folders } else { &mut paths };
            into.push(path);
        }
    }
    paths.sort();
    let files = paths.iter().map(|path| {
        let mut bytes = fs::read(path).unwrap();
        bytes.truncate(LONGEST_SEED);
        bytes
    });
    files.chain(WORDS.iter().map(|word| word.as_bytes().to_vec())).collect()
}

/// Numbers that look random and are the same in every run (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below this one, or 0.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap()
    }

    /// One to four changes.
    fn change(&mut self, seed: &[u8], seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let end = (at + self.below(32)).min(bytes.len());
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let word = WORDS[self.below(WORDS.len())].bytes();
                    bytes.splice(at..at, word).for_each(drop);
                }
                3 => {
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece).for_each(drop);
                }
                4 => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len());
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[from..]);
                }
                _ => bytes.push(u8::try_from(self.below(256)).unwrap()),
            }
        }
        bytes
    }
}
