//! Building: stages in the order in which they are needed, steps in theirs.
//!
//! A stage that nothing leads to is never built. What a stage has come to is held as the list of its
//! layers, and the files they come to are put together only when a step asks for them.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use crate::build::built::{Built, Inputs};
use crate::build::changes::Changes;
use crate::build::content::Files;
use crate::build::copying::identity_of;
use crate::build::error::{BuildError, Problem};
use crate::build::finish;
use crate::build::image::{Image, Layered};
use crate::build::layer::{self, Format};
use crate::build::outside::{Base, Event, Outside, Pinned};
use crate::build::request::{Fresh, NamedContext, Request};
use crate::build::runner::Runner;
use crate::build::variables::Variables;
use crate::dockerfile::{self, Dockerfile, Instruction, Step, Word};
use crate::limits::{MAX_DOCKER_LAYERS, MAX_LAYERS, MAX_TRIGGERS};
use crate::oci::archive::ArchiveError;
use crate::oci::canonical;
use crate::oci::image_config::chain_ids;
use crate::oci::{Descriptor, Digest, Platform, Reference};
use crate::store::Lease;
use crate::store::images::layer_archive::{StoredLayer, pairs};
use crate::store::images::{BuildSteps, StepRecord};

/// What a build works with.
#[derive(Debug, Clone, Copy)]
pub struct Workshop<'a> {
    /// Where layers and images go.
    pub lease: &'a Lease,
    /// The folder that builds keep things in: what is in layers, unpacked roots, caches of commands.
    pub folder: &'a Path,
    /// Runs commands.
    pub runner: &'a dyn Runner,
    /// Brings in what is elsewhere.
    pub outside: &'a dyn Outside,
    /// The time of day, in seconds since 1970: nothing of the image depends on it.
    pub now: i64,
}

/// A build that is under way.
pub(super) struct Builder<'a> {
    pub(super) request: &'a Request,
    pub(super) shop: Workshop<'a>,
    pub(super) dockerfile: &'a Dockerfile,
    /// The arguments before the first stage.
    globals: Variables,
    /// The epoch, as configurations have it.
    pub(super) created: String,
    stages: Vec<Option<Rc<Stage>>>,
    images: BTreeMap<String, Rc<Stage>>,
    pub(super) known: BuildSteps,
    pub(super) learned: Vec<(Digest, StepRecord)>,
    /// The inputs of steps that were found or made.
    used: RefCell<BTreeSet<Digest>>,
    pub(super) inputs: Inputs,
    context: Rc<Files>,
    /// What the whole context is, as a digest, if that is known without reading it.
    context_identity: OnceCell<Option<Digest>>,
    /// How many steps were carried out or found, and how many of them found.
    done: usize,
    found: usize,
}

/// What a stage has come to.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) image: Image,
    /// What words are expanded with, and commands get: of `ENV` and `ARG`.
    pub(super) variables: Variables,
    /// Arguments that were declared, for the history of commands.
    pub(super) arguments: Vec<String>,
    pub(super) layers: Vec<StoredLayer>,
    /// What the first `applied` layers come to.
    files: Rc<Files>,
    applied: usize,
    /// Whether `CMD` was among its instructions.
    pub(super) has_command: bool,
    /// Its own triggers, for stages that begin from it.
    triggers: Vec<String>,
}

/// Where a step comes from, and how it is told of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// Where it is in the Dockerfile.
    pub(super) at: &'a Range<usize>,
    /// The text of the step.
    pub(super) text: &'a str,
    /// Whether it is a trigger of the base: places of its words are in its own text.
    pub(super) trigger: bool,
    /// The number of its stage.
    pub(super) stage: usize,
    /// Its number in the stage.
    pub(super) number: usize,
    /// Whether it is made anew whatever was kept.
    pub(super) fresh: bool,
}

/// What a step came to before: a layer, or none because it changed nothing.
pub(super) struct Recalled(pub(super) Option<StoredLayer>);

/// Files that something is copied from, or mounted.
#[derive(Clone)]
pub(super) struct Sourced {
    pub(super) files: Rc<Files>,
    /// What they are, as a digest, if that is known without reading them.
    pub(super) identity: Option<Digest>,
    pub(super) origin: Origin,
}

/// Where files come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The context of the build.
    Context,
    /// Another context.
    Named,
    /// A stage, or an image.
    Stage,
}

/// What `--from` means.
enum From {
    Named(String),
    Stage(Rc<Stage>),
}

/// Builds the image. All it wrote is content of the layout that the lease keeps; steps that were
/// done are kept for later builds even if a later one fails.
pub fn build(request: &Request, shop: Workshop<'_>) -> Result<Built, BuildError> {
    let dockerfile = dockerfile::parse(&request.dockerfile)
        .map_err(|error| BuildError::at(&error.at.clone(), error))?;
    let last = dockerfile.stages.len().saturating_sub(1);
    let target = target(&dockerfile, request.settings.target.as_deref())?;
    let known = match request.fresh {
        Fresh::All => BuildSteps::default(),
        _ => shop.lease.layout().build_steps().map_err(BuildError::anywhere)?,
    };
    let created = canonical::created(request.settings.epoch).map_err(BuildError::anywhere)?;
    let mut builder = Builder {
        request,
        shop,
        dockerfile: &dockerfile,
        globals: Variables::default(),
        created,
        stages: vec![None; dockerfile.stages.len()],
        images: BTreeMap::new(),
        known,
        learned: Vec::new(),
        used: RefCell::default(),
        inputs: Inputs {
            dockerfile: Some(Digest::sha256_of(request.dockerfile.as_bytes())),
            target: (target != last).then(|| stage_name(&dockerfile, target)),
            epoch: request.settings.epoch,
            keeps_modes: request.settings.keeps_modes,
            labels: request.settings.labels.iter().cloned().collect(),
            ..Inputs::default()
        },
        context: Rc::new(request.context.clone()),
        context_identity: OnceCell::new(),
        done: 0,
        found: 0,
    };
    let outcome = builder.globals().and_then(|()| builder.stage(target));
    let learned = std::mem::take(&mut builder.learned);
    let kept = shop.lease.keep_steps(learned);
    let stage = outcome?;
    kept.map_err(BuildError::anywhere)?;
    let cached = (builder.found, builder.done);
    let layers = stage.layers.len();
    if layers > MAX_DOCKER_LAYERS {
        let text = format!("{layers} layers, and docker takes {MAX_DOCKER_LAYERS} at most");
        builder.report(Event::Warning(&text));
    }
    let built = finish::image(
        &stage,
        builder.inputs,
        &request.settings.labels,
        shop.lease,
        &builder.created,
    )?;
    Ok(Built { steps: builder.used.into_inner(), cached, ..built })
}

/// The stage that is wanted.
fn target(dockerfile: &Dockerfile, wanted: Option<&str>) -> Result<usize, BuildError> {
    let last = dockerfile.stages.len().saturating_sub(1);
    let Some(wanted) = wanted else { return Ok(last) };
    if let Some(found) = named(dockerfile, wanted) {
        return Ok(found);
    }
    let number = wanted.parse::<usize>().ok().filter(|number| *number <= last);
    number.ok_or_else(|| {
        let nearest = nearest_stage(dockerfile, wanted);
        BuildError::anywhere(Problem::NoStage { name: wanted.to_owned(), nearest })
    })
}

/// The last stage of this name.
pub(super) fn named(dockerfile: &Dockerfile, name: &str) -> Option<usize> {
    let name = name.to_lowercase();
    dockerfile.stages.iter().rposition(|stage| stage.from.name.as_deref() == Some(&name))
}

fn nearest_stage(dockerfile: &Dockerfile, name: &str) -> Option<String> {
    let name = name.to_lowercase();
    let names = dockerfile.stages.iter().filter_map(|stage| stage.from.name.as_deref());
    let near = names.map(|known| (strsim::damerau_levenshtein(known, &name), known));
    near.filter(|(distance, known)| *distance * 3 <= known.len())
        .min()
        .map(|(_, known)| known.to_owned())
}

fn stage_name(dockerfile: &Dockerfile, index: usize) -> String {
    let stage = dockerfile.stages.get(index);
    let name = stage.and_then(|stage| stage.from.name.clone());
    name.unwrap_or_else(|| index.to_string())
}

impl Builder<'_> {
    /// Gives the arguments before the first stage their values.
    fn globals(&mut self) -> Result<(), BuildError> {
        let last = self.dockerfile.stages.last().and_then(|stage| stage.from.name.as_deref());
        let stage = self.request.settings.target.as_deref().or(last);
        self.globals = Variables::predefined(&Platform::host(), &self.request.platform, stage);
        for (name, value) in &self.request.settings.arguments {
            if self.globals.get(name).is_some() {
                self.globals.set(name, value);
                self.inputs.arguments.insert(name.clone(), value.clone());
            }
        }
        for step in &self.dockerfile.arguments {
            let Instruction::Arg(arguments) = &step.instruction else { continue };
            for argument in arguments {
                let name = &argument.name.text;
                let value = match (self.request.settings.arguments.get(name), &argument.default) {
                    (Some(given), _) => {
                        self.inputs.arguments.insert(name.clone(), given.clone());
                        given.clone()
                    }
                    (None, Some(default)) => self.expand_global(default)?,
                    (None, None) => continue,
                };
                self.globals.set(name, &value);
            }
        }
        Ok(())
    }

    fn expand_global(&self, word: &Word) -> Result<String, BuildError> {
        let lookup = |name: &str| self.globals.get(name).map(str::to_owned);
        dockerfile::expand(word, self.dockerfile.directives.escape, &lookup)
            .map_err(|error| BuildError::at(&word.at, error))
    }

    /// The value of an argument of before the first stage.
    pub(super) fn global(&self, name: &str) -> Option<&str> {
        self.globals.get(name)
    }

    /// Builds a stage, if it is not built, and before it those that it leads to: one after the
    /// other, however long the way is.
    pub(super) fn stage(&mut self, index: usize) -> Result<Rc<Stage>, BuildError> {
        let mut pending = vec![index];
        while let Some(next) = pending.last().copied() {
            if self.is_built(next) {
                pending.pop();
                continue;
            }
            let missing = self.leads_to(next)?;
            let missing = missing.into_iter().rev().filter(|stage| !self.is_built(*stage));
            let before = pending.len();
            pending.extend(missing);
            if pending.len() == before {
                pending.pop();
                self.build_stage(next)?;
            }
        }
        self.build_stage(index)
    }

    fn is_built(&self, index: usize) -> bool {
        matches!(self.stages.get(index), Some(Some(_)))
    }

    /// The stages above that a stage begins from or takes files from, as its own text says.
    fn leads_to(&self, index: usize) -> Result<Vec<usize>, BuildError> {
        let Some(stage) = self.dockerfile.stages.get(index) else { return Ok(Vec::new()) };
        let base = self.expand_global(&stage.from.image)?;
        let mut found: Vec<usize> = self.stage_above(&base, index).into_iter().collect();
        for word in stage.steps.iter().flat_map(sources_of) {
            let number = word.text.parse().ok();
            found.extend(number.or_else(|| named(self.dockerfile, &word.text)));
        }
        found.retain(|other| *other < index);
        Ok(found)
    }

    /// The stage of this name that a `FROM` means: the last one above it.
    fn stage_above(&self, name: &str, index: usize) -> Option<usize> {
        let name = name.to_lowercase();
        let above = self.dockerfile.stages.get(..index).unwrap_or_default();
        above.iter().rposition(|stage| stage.from.name.as_deref() == Some(&name))
    }

    /// Builds a stage, if it is not built.
    fn build_stage(&mut self, index: usize) -> Result<Rc<Stage>, BuildError> {
        if let Some(Some(stage)) = self.stages.get(index) {
            return Ok(Rc::clone(stage));
        }
        let dockerfile = self.dockerfile;
        let Some(text) = dockerfile.stages.get(index) else {
            let name = index.to_string();
            return Err(BuildError::anywhere(Problem::NoStage { name, nearest: None }));
        };
        let from = &text.from;
        let (mut stage, triggers) = self.begin(index)?;
        let escape = dockerfile.directives.escape;
        let mut steps: Vec<(Step, bool)> = Vec::new();
        for trigger in &triggers {
            let step = dockerfile::parse_trigger(trigger, escape).map_err(|error| BuildError {
                trigger: Some(trigger.clone()),
                ..BuildError::at(&from.at, error)
            })?;
            steps.push((step, true));
        }
        // A stage that somebody's context takes the place of has no steps of its own.
        if !self.is_replaced(index) {
            steps.extend(text.steps.iter().map(|step| (step.clone(), false)));
        }
        let name = stage_name(dockerfile, index);
        let fresh = match &self.request.fresh {
            Fresh::Changed => false,
            Fresh::All => true,
            Fresh::Stages(stages) => stages.contains(&name) || stages.contains(&index.to_string()),
        };
        // What a step takes files from is there before the first step begins.
        for (step, trigger) in &steps {
            for word in sources_of(step) {
                self.from(word, index, if *trigger { &from.at } else { &step.at })?;
            }
        }
        let of = steps.len();
        for (number, (step, trigger)) in steps.iter().enumerate() {
            if self.shop.outside.stopped() {
                return Err(BuildError::anywhere(Problem::Stopped));
            }
            let at = if *trigger { &from.at } else { &step.at };
            let (text, number) = (step.text.as_str(), number + 1);
            let place = Place { at, text, trigger: *trigger, stage: index, number, fresh };
            self.report(Event::Begins { step: number, of, stage: &name, text });
            let found_before = self.found;
            self.step(&mut stage, step, place).map_err(|error| of_trigger(error, place))?;
            self.done += 1;
            self.report(Event::Done { step: number, cached: self.found > found_before });
            if stage.layers.len() > MAX_LAYERS {
                let limit = MAX_LAYERS;
                return Err(BuildError::at(at, Problem::TooManyLayers { limit }));
            }
        }
        let stage = Rc::new(stage);
        if let Some(slot) = self.stages.get_mut(index) {
            *slot = Some(Rc::clone(&stage));
        }
        Ok(stage)
    }

    /// Whether a named context takes the place of a stage.
    fn is_replaced(&self, index: usize) -> bool {
        let name = self.dockerfile.stages.get(index).and_then(|stage| stage.from.name.as_ref());
        name.is_some_and(|name| self.request.contexts.contains_key(name))
    }

    /// What a stage begins from, and the triggers that come with it.
    fn begin(&mut self, index: usize) -> Result<(Stage, Vec<String>), BuildError> {
        let dockerfile = self.dockerfile;
        let Some(from) = dockerfile.stages.get(index).map(|stage| &stage.from) else {
            let name = index.to_string();
            return Err(BuildError::anywhere(Problem::NoStage { name, nearest: None }));
        };
        let base = self.expand_global(&from.image)?;
        if base.is_empty() {
            return Err(BuildError::at(&from.image.at, Problem::BlankBase));
        }
        let platform = match &from.platform {
            Some(word) => {
                let text = self.expand_global(word)?;
                Platform::parse(&text).map_err(|error| BuildError::at(&word.at, error))?
            }
            None => self.request.platform.clone(),
        };
        if self.is_replaced(index)
            && let Some(name) = &from.name
        {
            return Ok((self.context_stage(name, &platform, &from.at)?, Vec::new()));
        }
        if base == SCRATCH {
            return Ok((Stage::scratch(self.request.platform.clone()), Vec::new()));
        }
        if let Some(earlier) = self.stage_above(&base, index) {
            let earlier = self.stage(earlier)?;
            let stage = Stage {
                image: earlier.image.inherited(),
                has_command: false,
                triggers: Vec::new(),
                ..(*earlier).clone()
            };
            return Ok((stage, earlier.triggers.clone()));
        }
        let base = match self.request.contexts.get(&base) {
            Some(NamedContext::Files(_)) => {
                return Ok((self.context_stage(&base, &platform, &from.image.at)?, Vec::new()));
            }
            Some(NamedContext::Image(reference)) => reference.to_string(),
            None => base,
        };
        let found = self.image(&base, &platform, &from.image.at)?;
        let mut stage = (*found).clone();
        let triggers = stage.image.take_triggers();
        if triggers.len() > MAX_TRIGGERS {
            let limit = MAX_TRIGGERS;
            return Err(BuildError::at(&from.at, Problem::TooManyTriggers { limit }));
        }
        Ok((stage, triggers))
    }

    /// A named context as a stage.
    fn context_stage(
        &mut self,
        name: &str,
        platform: &Platform,
        at: &Range<usize>,
    ) -> Result<Stage, BuildError> {
        let request = self.request;
        match request.contexts.get(name) {
            Some(NamedContext::Image(reference)) => {
                let name = reference.to_string();
                Ok((*self.image(&name, platform, at)?).clone())
            }
            Some(NamedContext::Files(files)) => {
                let mut stage = Stage::scratch(self.request.platform.clone());
                self.begin_from(&mut stage, files, at)?;
                Ok(stage)
            }
            None => Ok(Stage::scratch(self.request.platform.clone())),
        }
    }

    /// An image as a stage that nothing was done in.
    pub(super) fn image(
        &mut self,
        name: &str,
        platform: &Platform,
        at: &Range<usize>,
    ) -> Result<Rc<Stage>, BuildError> {
        let asked = format!("{platform} {name}");
        if let Some(found) = self.images.get(&asked) {
            return Ok(Rc::clone(found));
        }
        let nearest = || nearest_stage(self.dockerfile, name);
        let reference = Reference::parse(name).map_err(|cause| {
            let (name, nearest) = (name.to_owned(), nearest());
            BuildError::at(at, Problem::Name { name, nearest, cause })
        })?;
        let base = self.shop.outside.image(&reference, platform).map_err(|cause| {
            let (name, nearest) = (reference.familiar(), nearest());
            BuildError::at(at, Problem::Image { name, nearest, cause })
        })?;
        let Base { descriptor, manifest, config, pinned, .. } = base;
        let whole = match (reference.tag(), reference.digest()) {
            (None, None) => reference.with_tag("latest").unwrap_or_else(|_| reference.clone()),
            _ => reference.clone(),
        };
        let original = descriptor.original().unwrap_or(descriptor);
        self.inputs.images.insert(whole.to_string(), original.digest);
        if pinned == Pinned::Unpinned {
            self.inputs.holes.insert(format!("unpinned: {whole}"));
        }
        let pairs = pairs(&manifest, &config).map_err(|error| BuildError::at(at, error))?;
        let layers = pairs.into_iter().map(|(layer, diff_id)| StoredLayer {
            diff_id: diff_id.clone(),
            descriptor: layer.clone(),
        });
        let stage = Stage { layers: layers.collect(), ..Stage::of(Image::of_base(&config)) };
        let stage = Rc::new(stage);
        self.images.insert(asked, Rc::clone(&stage));
        Ok(stage)
    }

    /// What `--from` means: an earlier stage by name or number, a named context, or an image.
    fn from(&mut self, word: &Word, index: usize, at: &Range<usize>) -> Result<From, BuildError> {
        let name = word.text.as_str();
        let number = name.parse::<usize>().ok();
        if let Some(found) = number.or_else(|| named(self.dockerfile, name)) {
            if found >= index {
                let name = name.to_owned();
                let problem = if found < self.dockerfile.stages.len() {
                    Problem::LaterStage { name }
                } else {
                    Problem::NoStage { name, nearest: None }
                };
                return Err(BuildError::at(at, problem));
            }
            return Ok(From::Stage(self.stage(found)?));
        }
        match self.request.contexts.get(name) {
            Some(NamedContext::Files(_)) => Ok(From::Named(name.to_owned())),
            Some(NamedContext::Image(reference)) => {
                let (name, platform) = (reference.to_string(), self.request.platform.clone());
                Ok(From::Stage(self.image(&name, &platform, at)?))
            }
            None if name == SCRATCH => {
                Ok(From::Stage(Rc::new(Stage::scratch(self.request.platform.clone()))))
            }
            None => {
                let platform = self.request.platform.clone();
                Ok(From::Stage(self.image(name, &platform, at)?))
            }
        }
    }

    /// The files that a step takes something from: without a name those of the context.
    pub(super) fn source(
        &mut self,
        from: Option<&Word>,
        place: Place<'_>,
    ) -> Result<Sourced, BuildError> {
        let request = self.request;
        let Some(word) = from else {
            let files = Rc::clone(&self.context);
            let identity = self.context_identity.get_or_init(|| identity_of(&files)).clone();
            return Ok(Sourced { files, identity, origin: Origin::Context });
        };
        match self.from(word, place.stage, place.at)? {
            From::Named(name) => {
                let files = match request.contexts.get(&name) {
                    Some(NamedContext::Files(files)) => files.clone(),
                    _ => Files::default(),
                };
                let identity = identity_of(&files);
                Ok(Sourced { files: Rc::new(files), identity, origin: Origin::Named })
            }
            From::Stage(stage) => {
                let mut stage = (*stage).clone();
                let files = self.files(&mut stage, place.at)?;
                Ok(Sourced { files, identity: stage.chain(), origin: Origin::Stage })
            }
        }
    }

    /// Expands a word with the variables of a stage.
    pub(super) fn expand(&self, stage: &Stage, word: &Word) -> Result<String, BuildError> {
        let lookup = |name: &str| stage.variables.get(name).map(str::to_owned);
        dockerfile::expand(word, self.dockerfile.directives.escape, &lookup)
            .map_err(|error| BuildError::at(&word.at, error))
    }

    /// Expands several words.
    pub(super) fn expand_all(
        &self,
        stage: &Stage,
        words: &[Word],
    ) -> Result<Vec<String>, BuildError> {
        words.iter().map(|word| self.expand(stage, word)).collect()
    }

    /// Expands a word that may not be there.
    pub(super) fn expand_some(
        &self,
        stage: &Stage,
        word: Option<&Word>,
    ) -> Result<Option<String>, BuildError> {
        word.map(|word| self.expand(stage, word)).transpose()
    }

    /// How layers are written.
    pub(super) fn format(&self) -> Format {
        Format {
            compression: self.request.settings.compression,
            epoch: self.request.settings.epoch,
        }
    }

    /// The files that a stage has come to.
    pub(super) fn files(
        &self,
        stage: &mut Stage,
        at: &Range<usize>,
    ) -> Result<Rc<Files>, BuildError> {
        let layout = self.shop.lease.layout();
        let pending = stage.layers.get(stage.applied..).unwrap_or_default();
        if !pending.is_empty() {
            let files = Rc::make_mut(&mut stage.files);
            for made in pending {
                layer::read(layout, &made.descriptor, &made.diff_id, files, self.shop.folder)
                    .map_err(|error| BuildError::at(at, error))?;
            }
            stage.applied = stage.layers.len();
        }
        Ok(Rc::clone(&stage.files))
    }

    pub(super) fn report(&self, event: Event<'_>) {
        self.shop.outside.report(event);
    }

    /// Counts a step whose outcome was there already.
    pub(super) fn was_found(&mut self) {
        self.found += 1;
    }

    /// Remembers what a step came to.
    pub(super) fn learn(&mut self, inputs: Digest, layer: Option<&StoredLayer>, text: &str) {
        let record = StepRecord::new(layer, text.to_owned(), self.shop.now);
        self.known.add([(inputs.clone(), record.clone())]);
        self.used.borrow_mut().insert(inputs.clone());
        self.learned.push((inputs, record));
    }

    /// What a step with these inputs came to, if that is known and still there: perhaps no layer.
    pub(super) fn recall(
        &self,
        inputs: &Digest,
        place: Place<'_>,
    ) -> Result<Option<Recalled>, BuildError> {
        let Some(record) = self.known.get(inputs).filter(|_| !place.fresh) else {
            return Ok(None);
        };
        let Some(layer) = record.layer() else {
            self.used.borrow_mut().insert(inputs.clone());
            return Ok(Some(Recalled(None)));
        };
        let is_there = self.shop.lease.has_kept(&layer.descriptor);
        let is_there = is_there.map_err(|error| BuildError::at(place.at, error))?;
        Ok(is_there.then(|| {
            self.used.borrow_mut().insert(inputs.clone());
            Recalled(Some(layer))
        }))
    }
}

impl Stage {
    /// Nothing, for this platform.
    fn scratch(platform: Platform) -> Self {
        Self::of(Image::scratch(platform))
    }

    /// No layers, with this configuration.
    fn of(image: Image) -> Self {
        let mut variables = Variables::default();
        for (name, value) in image.environment() {
            variables.set(&name, &value);
        }
        Self {
            image,
            variables,
            arguments: Vec::new(),
            layers: Vec::new(),
            files: Rc::default(),
            applied: 0,
            has_command: false,
            triggers: Vec::new(),
        }
    }

    /// The identity of its layers; none without any.
    pub(super) fn chain(&self) -> Option<Digest> {
        let diff_ids: Vec<Digest> = self.layers.iter().map(|layer| layer.diff_id.clone()).collect();
        chain_ids(&diff_ids).pop()
    }

    /// Its layers, as a runner takes them.
    pub(super) fn stack(&self) -> Vec<(Descriptor, Digest)> {
        let layers = self.layers.iter();
        layers.map(|layer| (layer.descriptor.clone(), layer.diff_id.clone())).collect()
    }

    /// Takes a layer on. Its files are read from it when they are wanted.
    pub(super) fn push(&mut self, layer: Option<StoredLayer>) {
        self.layers.extend(layer);
    }

    /// Takes a layer on that these changes were written as. All layers below it are applied.
    pub(super) fn push_known(
        &mut self,
        layer: StoredLayer,
        changes: &Changes,
    ) -> Result<(), ArchiveError> {
        layer::apply(Rc::make_mut(&mut self.files), changes)?;
        self.layers.push(layer);
        self.applied = self.layers.len();
        Ok(())
    }

    /// Adds a trigger for stages and images that begin from it.
    pub(super) fn add_trigger(&mut self, text: &str) {
        self.image.push_to("OnBuild", text);
        self.triggers.push(text.to_owned());
    }

    /// Where its commands run.
    pub(super) fn folder(&self) -> &str {
        match self.image.text("WorkingDir") {
            "" => "/",
            folder => folder,
        }
    }

    /// Adds a step to its history, with the layer it made.
    pub(super) fn record(&mut self, text: &str, layer: Option<&StoredLayer>, created: &str) {
        let layered = if layer.is_some() { Layered::Yes } else { Layered::No };
        self.image.record(text, layered, created);
    }
}

/// What a step takes files from, where it names something.
fn sources_of(step: &Step) -> Vec<&Word> {
    match &step.instruction {
        Instruction::Copy(copy) => copy.from.iter().collect(),
        Instruction::Run(run) => run.mounts.iter().filter_map(|mount| mount.kind.from()).collect(),
        _ => Vec::new(),
    }
}

/// An error within a trigger is one at its `FROM`.
fn of_trigger(error: BuildError, place: Place<'_>) -> BuildError {
    if !place.trigger {
        return BuildError { at: error.at.or_else(|| Some(place.at.clone())), ..error };
    }
    BuildError { at: Some(place.at.clone()), trigger: Some(place.text.to_owned()), ..error }
}

/// The base that is none.
const SCRATCH: &str = "scratch";
