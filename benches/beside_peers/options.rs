//! What was asked for on the command line.

/// Fewest runs of each program whose median says something.
const LEAST_RUNS: usize = 10;

/// What to measure, how often, and where to put it.
#[derive(Debug)]
pub(crate) struct Options {
    /// How often each program does each work.
    pub(crate) runs: usize,
    /// Whether `benches/RESULTS.md` is to be written.
    pub(crate) write: bool,
    only: Vec<String>,
}

impl Options {
    /// Returns what `cargo bench` passes on; `None` without its `--bench`: whoever runs all tests
    /// of the package starts this program too, and has not asked for minutes of measuring.
    pub(crate) fn of_this_process() -> Option<Self> {
        let mut options = Self { runs: 15, write: false, only: Vec::new() };
        let (mut asked, mut quick) = (false, false);
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--bench" => asked = true,
                "--quick" => quick = true,
                "--write" => options.write = true,
                "--runs" => {
                    let number = words.next().and_then(|number| number.parse().ok());
                    options.runs = number.expect("`--runs` needs a number");
                }
                "--list" | "--test" => return None,
                name => options.only.push(name.to_owned()),
            }
        }
        options.runs = if quick { 1 } else { options.runs.max(LEAST_RUNS) };
        // What one run says is not worth keeping.
        options.write &= !quick;
        asked.then_some(options)
    }

    /// Whether a work is to be measured: all are, unless some are named.
    pub(crate) fn selects(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }
}
