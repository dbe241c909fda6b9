//! Builds on a thread of its own, and what is checked, taken and handed on before and after.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::runtime::Handle;

use crate::actions::build::cache::{CacheAt, give, take};
use crate::actions::build::check::{Checked, check};
use crate::actions::build::output::{Output, Product};
use crate::actions::build::outside::Watcher;
use crate::actions::build::rebuild::{Original, original};
use crate::actions::build::run::{Prepared, Request, Workplace, build, name, prepare};
use crate::actions::build::verify::{compare, mismatch};
use crate::actions::context::Context;
use crate::build::error::BuildError;
use crate::build::request::Fresh;
use crate::cli::build_error::{at_place, of_build};
use crate::cli::build_outcome::{Finished, differs};
use crate::cli::build_runner::runner;
use crate::cli::build_work::work_folder;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::outcome::say_verdict;
use crate::cli::progress::{self, Transfer};
use crate::cli::run::Session;
use crate::dockerfile::Finding;
use crate::oci::{ImageName, Platform, Reference};
use crate::store::streams::create_public_folder;
use crate::store::{ImageLayout, Lease};

/// All that was typed for a build, understood.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Plan {
    /// What is built.
    pub request: Request,
    /// The names that it gets.
    pub names: Vec<ImageName>,
    /// Where it goes.
    pub outputs: Vec<Output>,
    /// Whether it is sent to its registries afterwards.
    pub push: bool,
    /// Whether it is signed when it is sent.
    pub signed: bool,
    /// Whether bases must be signed.
    pub trusted: bool,
    /// Whether the Dockerfile is only looked through.
    pub only_checks: bool,
    /// An image that must come of it again.
    pub rebuild: Option<Reference>,
    /// Whether it is built twice, and must be the same.
    pub verify: bool,
    /// Caches that steps are taken from.
    pub cache_from: Vec<CacheAt>,
    /// Caches that its steps go to.
    pub cache_to: Vec<CacheAt>,
}

/// Who does the work: on a thread of its own.
pub(super) struct Worker {
    /// Settings and screen.
    pub session: Session,
    /// Where images are.
    pub layout: ImageLayout,
    /// Who is told how far it is.
    pub watcher: Arc<dyn Watcher>,
    /// Set when it is to stop.
    pub stop: Arc<AtomicBool>,
    /// What runs commands, as it was typed.
    pub runtime: String,
}

impl Worker {
    /// Does all of a plan but sending the image; nothing comes of it if the Dockerfile is only
    /// looked through. `handle` is the runtime that waits for servers.
    pub(super) fn work(self, handle: Handle, mut plan: Plan) -> Result<Option<Finished>, CliError> {
        let session = &self.session;
        let context = session.context()?;
        let lease = self.layout.lease()?;
        let trusted = plan.trusted.then(Vec::new);
        let rebuild = plan.rebuild.clone();
        let again = match &rebuild {
            None => None,
            Some(reference) => {
                let Plan { request, trusted, .. } = &mut plan;
                Some(self.original(&handle, &context, reference, *trusted, request)?)
            }
        };
        let work = work_folder(session, &self.layout);
        create_public_folder(&work)?;
        let place = Workplace {
            context,
            layout: self.layout.clone(),
            runtime: handle,
            trusted,
            runner: runner(session, &self.runtime, self.layout.folder(), &work)?,
            watcher: Arc::clone(&self.watcher),
            stop: Arc::clone(&self.stop),
            temporary_dir: session.settings.temporary_dir.clone(),
            work,
            path: session.settings.environment.path("PATH").map(PathBuf::into_os_string),
        };
        let done = self.built(&place, &lease, &plan, again.as_ref());
        match (done, lease.tidy()) {
            (Ok(_), Err(error)) => Err(error.into()),
            (done, _) => done,
        }
    }

    fn built(
        &self,
        place: &Workplace,
        lease: &Lease,
        plan: &Plan,
        again: Option<&Original>,
    ) -> Result<Option<Finished>, CliError> {
        let Plan { request, .. } = plan;
        let prepared = prepare(place, lease, request)?;
        self.check(plan, &prepared)?;
        if plan.only_checks {
            return Ok(None);
        }
        if let Some(original) = again {
            original.check_dockerfile(&prepared.opened.dockerfile)?;
        }
        self.take_caches(place, plan);
        let outcome = build(place, lease, request, &prepared, &request.fresh)?;
        if plan.verify {
            let second = build(place, lease, request, &prepared, &Fresh::All)?;
            if let Some(found) = compare(&self.layout, &outcome, &second)? {
                return Err(differs("two builds of the same gave two images", &found, &outcome));
            }
            self.session.ui.status("Verified: a second build gave the same");
        }
        if let (Some(original), Some(built)) = (again, outcome.images.first()) {
            let (before, after) = (&original.image.descriptor, &built.descriptor);
            if before.digest != after.digest {
                let found = mismatch(&self.layout, before, after)?;
                let words = format!(
                    "the image is {}, but building it again gave {}",
                    before.digest, after.digest
                );
                return Err(differs(&words, &found, &outcome));
            }
            self.session.ui.status("Verified: building it again gave the same");
        }
        if plan.outputs.contains(&Output::Image) {
            name(lease, &outcome, &plan.names)?;
        }
        let product = Product {
            layout: &self.layout,
            lease,
            root: &outcome.root,
            images: outcome.images.iter().map(|image| &image.descriptor).collect(),
            names: &plan.names,
        };
        let mut left_out = Vec::new();
        for output in &plan.outputs {
            left_out.extend(product.put(output, &mut self.session.ui.output())?);
        }
        let steps = outcome.images.iter().flat_map(|image| image.steps.iter().cloned()).collect();
        for cache in &plan.cache_to {
            let signed = plan.signed || plan.trusted;
            let progress = progress::of(&self.session, Transfer::Push);
            let giving = give(&place.context, &self.layout, &steps, cache, signed, &progress);
            place.runtime.block_on(giving)?;
        }
        let lock = prepared.write_lock()?.map(Path::to_owned);
        let commit = prepared.commit().map(str::to_owned);
        Ok(Some(Finished { outcome, commit, lock, left_out }))
    }

    fn original(
        &self,
        handle: &Handle,
        context: &Context,
        reference: &Reference,
        trusted: bool,
        request: &mut Request,
    ) -> Result<Original, CliError> {
        let trusted = trusted.then(Vec::new);
        let platform = request.platforms.first().cloned().unwrap_or_else(Platform::host);
        let progress = self.watcher.transfer();
        let work =
            original(context, &self.layout, reference, &platform, trusted.as_deref(), &progress);
        let original = handle.block_on(work)?;
        if let Some(verdict) = &original.verdict {
            say_verdict(&self.session, reference, verdict);
        }
        original.fill(request);
        Ok(original)
    }

    /// Takes the steps of caches. One that cannot be had makes the build slower, and no other.
    fn take_caches(&self, place: &Workplace, plan: &Plan) {
        for cache in &plan.cache_from {
            let progress = self.watcher.transfer();
            let taking = take(&place.context, &self.layout, cache, plan.trusted, &progress);
            if let Err(error) = place.runtime.block_on(taking) {
                let error = CliError::from(error);
                let words = error.render();
                self.session.ui.warn(words.trim_start_matches("error: ").trim_end());
            }
        }
    }

    /// Says what the checks of the Dockerfile found; if it is asked for, or the Dockerfile says so,
    /// any finding is an error.
    fn check(&self, plan: &Plan, prepared: &Prepared) -> Result<(), CliError> {
        let (name, text) = (&prepared.opened.dockerfile_name, &prepared.opened.dockerfile);
        let Checked { findings, is_error } = match check(&plan.request, &prepared.opened) {
            Ok(checked) => checked,
            Err(error) => {
                let error = BuildError::at(&error.at.clone(), error);
                return Err(of_build(name, text, error));
            }
        };
        for Finding { rule, message, at } in &findings {
            self.session.ui.warn(at_place(&format!("{rule}: {message}"), name, text, at));
        }
        match findings.len() {
            0 if plan.only_checks => {
                self.session.ui.status("Check complete: nothing was found");
                Ok(())
            }
            found if found > 0 && (plan.only_checks || is_error) => {
                let words = format!("checks of {name} found {found}");
                Err(CliError::new(ErrorKind::Failed, words)
                    .hint("a comment `# check=skip=NAME` at the top leaves a check out"))
            }
            _ => Ok(()),
        }
    }
}
