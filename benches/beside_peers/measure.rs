//! Wall time and peak memory of whole programs that take turns.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A program and how to make it do the work once more.
pub(crate) struct Contestant<'a> {
    /// What it is called in the results.
    pub(crate) name: &'static str,
    /// Prepares the next run, whose number is given, and returns its command. Not timed.
    pub(crate) next: Box<dyn FnMut(usize) -> Command + 'a>,
}

/// What the runs of one program came to.
#[derive(Debug)]
pub(crate) struct Sample {
    /// The program.
    pub(crate) name: &'static str,
    /// One number a round, in the order of rounds.
    pub(crate) values: Vec<f64>,
}

/// How much one program needs for each unit that another does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ratio {
    /// Of the medians.
    pub(crate) of_medians: f64,
    /// Of single rounds: a quarter of them is below.
    pub(crate) lower: f64,
    /// Of single rounds: a quarter of them is above.
    pub(crate) upper: f64,
}

impl<'a> Contestant<'a> {
    /// Returns a contestant.
    pub(crate) fn new(name: &'static str, next: impl FnMut(usize) -> Command + 'a) -> Self {
        Self { name, next: Box::new(next) }
    }
}

/// Lets the programs take turns, the first of a round being another each time, and returns their
/// wall times in seconds. One more round goes before, uncounted: run number 0.
pub(crate) fn wall_times(runs: usize, contestants: &mut [Contestant<'_>]) -> Vec<Sample> {
    rounds(runs, contestants, |command| {
        let started = Instant::now();
        run(command);
        started.elapsed().as_secs_f64()
    })
}

/// Lets the programs take turns, and returns the most memory each had at once, in KiB.
pub(crate) fn peak_memory(runs: usize, contestants: &mut [Contestant<'_>]) -> Vec<Sample> {
    let folder = tempfile::tempdir().unwrap();
    rounds(runs, contestants, |command| memory_of(command, &folder))
}

fn rounds(
    runs: usize,
    contestants: &mut [Contestant<'_>],
    mut measure: impl FnMut(&mut Command) -> f64,
) -> Vec<Sample> {
    let mut samples: Vec<Sample> = contestants
        .iter()
        .map(|contestant| Sample { name: contestant.name, values: Vec::new() })
        .collect();
    let count = contestants.len();
    for round in 0..=runs {
        let order = (0..count).map(|place| (place + round) % count);
        for index in order {
            let (contestant, sample) =
                contestants.get_mut(index).zip(samples.get_mut(index)).unwrap();
            let value = measure(&mut (contestant.next)(round));
            if round > 0 {
                sample.values.push(value);
            }
        }
    }
    samples
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &mut Command) {
    let mut errors = tempfile::tempfile().unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors.try_clone().unwrap());
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}\n{}", text_of(&mut errors));
}

fn text_of(file: &mut File) -> String {
    use std::io::{Read as _, Seek as _};
    let mut text = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut text)).unwrap_or_default();
    text
}

/// Runs the command under `time`, for which it alone counts: a child that we start ourselves would
/// be charged with our own size. Returns KiB.
pub(crate) fn memory_of(command: &Command, folder: &TempDir) -> f64 {
    let figure = folder.path().join("peak");
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-f", "%M", "-o"]).arg(&figure).arg(command.get_program());
    timed.args(command.get_args()).env_clear();
    timed.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    run(&mut timed);
    fs::read_to_string(&figure).unwrap().trim().parse().unwrap()
}

impl Sample {
    /// Returns the value in the middle.
    pub(crate) fn median(&self) -> f64 {
        quantile(&self.values, 0.5)
    }

    /// Returns what this program needs for each unit of the other.
    pub(crate) fn over(&self, other: &Self) -> Ratio {
        let pairs = self.values.iter().zip(&other.values);
        let single: Vec<f64> = pairs.map(|(ours, theirs)| ours / theirs).collect();
        Ratio {
            of_medians: self.median() / other.median(),
            lower: quantile(&single, 0.25),
            upper: quantile(&single, 0.75),
        }
    }
}

/// Returns the value with this part of all values below it; between two, the mean of both.
fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1).expect("at least one run");
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a list of some dozen"
    )]
    let (below, above) = {
        let place = last as f64 * part;
        (place.floor() as usize, place.ceil() as usize)
    };
    let pair = sorted.get(below).zip(sorted.get(above)).unwrap();
    f64::midpoint(*pair.0, *pair.1)
}

/// Returns how long something takes here, in this process.
pub(crate) fn took<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let done = work();
    (done, started.elapsed())
}
