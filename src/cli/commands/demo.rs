//! `trust demo`

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::cli::error::{CliError, ErrorKind};
use crate::cli::exit_code;
use crate::cli::run::Session;
use crate::cli::ui::Ui;
use crate::limits::MAX_CONFIG_BYTES;
use crate::oci::archive::{ArchiveWriter, Entry, EntryPath};
use crate::store::files::{
    TemporaryFolder, create_file, create_user_folder, read_user_file_if_present, replace_file,
};

/// Show the whole story once, on this machine alone
///
/// Starts a server in a temporary folder, makes a small image, signs it and pushes it, and shows
/// what is refused. Nothing stays behind.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leave the folder where it is, and say where
    #[arg(long)]
    pub keep: bool,
}

impl Args {
    /// Tells the story. It ends with an error where something did not go as it must.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let folder = TemporaryFolder::create(&session.settings.temporary_dir)?;
        let program = std::env::current_exe().map_err(|error| internal(&error))?;
        let path = folder.path().to_owned();
        let story = Story {
            ui: session.ui,
            program,
            folder: path.clone(),
            variables: Vec::new(),
            server: None,
        };
        let outcome = session.block_on(story.tell());
        if self.keep {
            folder.keep();
            session.ui.status(format!("\nEverything is in {}", path.display()));
        }
        outcome
    }
}

/// One run of the demonstration.
struct Story {
    ui: Ui,
    program: PathBuf,
    folder: PathBuf,
    variables: Vec<(&'static str, String)>,
    server: Option<Child>,
}

impl Story {
    async fn tell(mut self) -> Result<(), CliError> {
        self.settle()?;
        self.chapter("One server: a registry, and the trust data of its images");
        let host = self.start_server(&[]).await?;
        self.trust_authority(&host)?;
        let image = format!("{host}/demo/app:1.0");

        self.chapter("An image, made, signed and pushed in one go");
        self.make_image("the honest content", &image).await?;
        self.run(&["push", "--trust", &image]).await?;
        self.run(&["verify", &image]).await?;

        self.chapter("The server is told whose root it believes, and to refuse everything else");
        let root = self.root_key().await?;
        self.enforce(&host, &root)?;
        self.stop_server().await?;
        self.start_server(&[OsStr::new("server.yml")]).await?;
        self.run(&["pull", &image]).await?;

        self.chapter("An image without a signature waits in quarantine: nobody gets it");
        let unsigned = format!("{host}/demo/app:2.0");
        self.make_image("nobody signed this", &unsigned).await?;
        self.run(&["push", "--disable-content-trust", &unsigned]).await?;
        self.refused(&["pull", "--disable-content-trust", &unsigned], DENIED).await?;

        self.chapter("Other content under the signed tag: everybody still gets what is signed");
        let signed = self.run(&["verify", "--digest", &image]).await?;
        let digest = signed.trim().rsplit('@').next().unwrap_or_default().to_owned();
        self.make_image("the swapped content", &image).await?;
        self.run(&["push", "--disable-content-trust", &image]).await?;
        let pulled = self.run(&["pull", "--disable-content-trust", &image]).await?;
        if digest.is_empty() || !pulled.contains(&digest) {
            return Err(CliError::new(ErrorKind::Internal, "the swapped content was served"));
        }
        self.run(&["verify", &image]).await?;

        self.chapter("A key is replaced; whoever knows the repository follows");
        let repository = format!("{host}/demo/app");
        self.run(&["key", "rotate", &repository, "targets"]).await?;
        self.run(&["verify", "--quiet", &image]).await?;
        self.run(&["inspect", "--pretty", &image]).await?;
        self.stop_server().await?;

        self.chapter("What to try next");
        for line in NEXT {
            self.ui.status(line);
        }
        Ok(())
    }

    /// A home of its own: what the person has is not touched.
    fn settle(&mut self) -> Result<(), CliError> {
        let home = self.folder.display().to_string();
        self.variables = vec![
            ("HOME", home.clone()),
            ("DOCKER_CONFIG", format!("{home}/docker")),
            ("XDG_DATA_HOME", format!("{home}/data")),
            ("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", random_passphrase()),
            ("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", random_passphrase()),
        ];
        create_file(&self.folder.join("layer.tar"), b"", 0o600)?;
        Ok(())
    }

    /// Starts the server, on any free port the first time, and returns its name, `localhost:PORT`.
    async fn start_server(&mut self, config: &[&OsStr]) -> Result<String, CliError> {
        let ready = self.folder.join("address");
        replace_file(&ready, b"", 0o600)?;
        let mut command = self.command();
        command.arg("serve");
        let mut shown = "serve".to_owned();
        if config.is_empty() {
            command.args(["--listen", "127.0.0.1:0"]);
            shown.push_str(" --listen 127.0.0.1:0");
        }
        for argument in config {
            command.arg(argument);
            shown = format!("{shown} {}", argument.to_string_lossy());
        }
        command.arg("--data").arg(self.folder.join("server")).arg("--ready-file").arg(&ready);
        self.show(&format!("{shown} --data server &"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut server = command.spawn().map_err(|error| internal(&error))?;
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let address = read_user_file_if_present(&ready, MAX_CONFIG_BYTES)?.unwrap_or_default();
            let address = String::from_utf8_lossy(&address).trim().to_owned();
            if let Some((_, port)) = address.rsplit_once(':') {
                self.server = Some(server);
                return Ok(format!("localhost:{port}"));
            }
            if server.try_wait().map_err(|error| internal(&error))?.is_some()
                || Instant::now() > deadline
            {
                server.start_kill().map_err(|error| internal(&error))?;
                let output = server.wait_with_output().await.map_err(|error| internal(&error))?;
                self.ui.status(String::from_utf8_lossy(&output.stderr));
                return Err(CliError::new(ErrorKind::Internal, "the server did not start"));
            }
            sleep(POLL).await;
        }
    }

    async fn stop_server(&mut self) -> Result<(), CliError> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        let id = server.id().and_then(|id| i32::try_from(id).ok());
        if let Some(id) = id.and_then(Pid::from_raw) {
            match kill_process(id, Signal::TERM) {
                // It may be gone already.
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(internal(&error)),
            }
        }
        server.wait().await.map_err(|error| internal(&error))?;
        Ok(())
    }

    /// Puts the certificate of the server's authority where docker and we look for it.
    fn trust_authority(&self, host: &str) -> Result<(), CliError> {
        let folder = format!("docker/tls/{host}");
        self.ui.status(format!("\n$ mkdir -p {folder}\n$ cp server/ca.crt {folder}/"));
        let certificate = self.folder.join("server/ca.crt");
        let certificate = read_user_file_if_present(&certificate, MAX_CONFIG_BYTES)?;
        let certificate = certificate.ok_or_else(|| {
            CliError::new(ErrorKind::Internal, "the server has no certificate authority")
        })?;
        create_user_folder(&self.folder.join(&folder))?;
        create_file(&self.folder.join(&folder).join("ca.crt"), &certificate, 0o600)?;
        Ok(())
    }

    /// Makes an image of one file.
    async fn make_image(&self, content: &str, name: &str) -> Result<(), CliError> {
        let mut archive = ArchiveWriter::new(Vec::new());
        let path = EntryPath::parse(b"content").map_err(|error| internal(&error))?;
        let entry = Entry::file(path, u64::try_from(content.len()).unwrap_or_default());
        archive.append_bytes(&entry, content.as_bytes()).map_err(|error| internal(&error))?;
        let archive = archive.finish().map_err(|error| internal(&error))?;
        replace_file(&self.folder.join("layer.tar"), &archive, 0o600)?;
        self.ui.status(format!("\n$ echo '{content}' > content; tar -cf layer.tar content"));
        self.run(&["import", "layer.tar", name]).await.map(drop)
    }

    /// The root key's id, of the bare key: it stands for every repository under that key.
    async fn root_key(&self) -> Result<String, CliError> {
        let listed = self.run(&["key", "ls", "--format", "{{.Role}} {{.ID}}"]).await?;
        let root = listed.lines().find_map(|line| line.strip_prefix("root "));
        let root =
            root.ok_or_else(|| CliError::new(ErrorKind::Internal, "there is no root key"))?;
        Ok(root.trim().to_owned())
    }

    fn enforce(&self, host: &str, root: &str) -> Result<(), CliError> {
        let config = format!(
            "version: 0.1\n\
             http: {{addr: \"127.0.0.1:{port}\"}}\n\
             trust:\n\
             \x20 hosts: [\"{host}\"]\n\
             \x20 policy:\n\
             \x20   rules:\n\
             \x20     - repository: \"**\"\n\
             \x20       pull: enforce\n\
             \x20       push: enforce\n\
             \x20       roots: {{key_ids: [{root}]}}\n",
            port = host.rsplit_once(':').map_or("5000", |(_, port)| port),
        );
        self.ui.status(format!("\n$ cat > server.yml <<END\n{config}END"));
        create_file(&self.folder.join("server.yml"), config.as_bytes(), 0o600)?;
        Ok(())
    }

    /// Runs a command that must succeed, and returns what it printed.
    async fn run(&self, args: &[&str]) -> Result<String, CliError> {
        let (code, output) = self.execute(args).await?;
        if code != Some(i32::from(exit_code::SUCCESS)) {
            let words = format!("`trust {}` ended with {}", args.join(" "), named(code));
            return Err(CliError::new(ErrorKind::Internal, words));
        }
        Ok(output)
    }

    /// Runs a command that must be refused, with these words somewhere.
    async fn refused(&self, args: &[&str], words: &str) -> Result<(), CliError> {
        let (code, output) = self.execute(args).await?;
        if code == Some(i32::from(exit_code::SUCCESS)) || !output.contains(words) {
            let problem = format!(
                "`trust {}` was not refused but ended with {}",
                args.join(" "),
                named(code)
            );
            return Err(CliError::new(ErrorKind::Internal, problem));
        }
        self.ui.status(format!("\nrefused, with exit code {}: that is the point", named(code)));
        Ok(())
    }

    async fn execute(&self, args: &[&str]) -> Result<(Option<i32>, String), CliError> {
        self.show(&args.join(" "));
        let mut command = self.command();
        command.args(args).stdin(Stdio::null());
        let output = command.output().await.map_err(|error| internal(&error))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        self.ui.status(text.trim_end().replace('\t', "    "));
        Ok((output.status.code(), text))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).env_clear().kill_on_drop(true);
        command.envs(self.variables.iter().map(|(name, value)| (*name, value)));
        command
    }

    fn show(&self, words: &str) {
        self.ui.status(format!("\n$ trust {words}"));
    }

    fn chapter(&self, title: &str) {
        self.ui.status(format!("\n== {title}"));
    }
}

fn internal(error: &dyn std::error::Error) -> CliError {
    CliError::new(ErrorKind::Internal, error.to_string())
}

fn named(code: Option<i32>) -> String {
    code.map_or_else(|| "a signal".to_owned(), |code| code.to_string())
}

/// Nobody has to know it: the keys are gone with the folder.
fn random_passphrase() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The code of a refusal by the server's policy.
const DENIED: &str = "DENIED";
/// How long the server may take to start.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// Between two looks at whether it has.
const POLL: Duration = Duration::from_millis(10);
/// What to try next.
const NEXT: [&str; 4] = [
    "  trust serve                    a server that stays; it prints what docker users need",
    "  trust sign IMAGE               a signature for an image of any registry",
    "  trust verify IMAGE             whether it is what was signed, before a deploy",
    "  trust serve --help             configuration, enforcement, accounts",
];
