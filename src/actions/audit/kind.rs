//! What kind of file it is, by its name: what a line of it would do.

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FileKind {
    /// The variables of this process; no file.
    Environment,
    /// What a shell reads when it begins.
    ShellProfile,
    /// A script, or a list of variables for one.
    Script,
    /// A Makefile, or the file of another such program.
    Makefile,
    /// The pipeline of a CI system, by that system's name.
    Pipeline(&'static str),
    /// A Dockerfile.
    Dockerfile,
    /// YAML of any other kind: compose, Kubernetes, values of a chart.
    Yaml,
    /// A unit of systemd.
    SystemdUnit,
    /// JSON or another configuration file.
    Configuration,
    /// Text for people.
    Documentation,
    /// Anything else: source code, mostly.
    #[default]
    Other,
}

impl FileKind {
    /// Tells it by the path, whose names are bytes, from the folder that is searched.
    pub fn of(path: &[u8]) -> Self {
        let path = String::from_utf8_lossy(path).to_ascii_lowercase();
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if let Some(system) = pipeline(folder, name) {
            return Self::Pipeline(system);
        }
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let first = name.split('.').next().unwrap_or_default();
        if PROFILES.contains(&name)
            || ["profile.d", "bashrc.d"].iter().any(|end| folder.ends_with(end))
        {
            return Self::ShellProfile;
        }
        if ["dockerfile", "containerfile"].iter().any(|word| first == *word || extension == *word) {
            return Self::Dockerfile;
        }
        if MAKEFILES.contains(&name) || extension == "mk" {
            return Self::Makefile;
        }
        let is_environment = first == "env"
            || name == ".env"
            || name.starts_with(".env.")
            || name == ".envrc"
            || folder.ends_with("environment.d")
            || (stem.is_empty() && extension == "environment")
            || name == "environment";
        if is_environment || SCRIPTS.contains(&extension) {
            return Self::Script;
        }
        match extension {
            "yaml" | "yml" => Self::Yaml,
            "service" | "socket" | "timer" | "container" | "pod" => Self::SystemdUnit,
            "conf" if folder.rsplit_once('.').is_some_and(|(_, end)| end == "d") => {
                Self::SystemdUnit
            }
            "json" | "toml" | "ini" | "conf" | "cfg" | "properties" | "tf" | "hcl" | "tpl"
            | "xml" | "nix" | "jsonnet" | "libsonnet" => Self::Configuration,
            "md" | "rst" | "adoc" | "txt" | "html" | "tex" | "org" | "markdown" => {
                Self::Documentation
            }
            _ => Self::Other,
        }
    }

    /// Whether what stands there is done, and not told: what is found elsewhere is a note.
    pub fn acts(self) -> bool {
        !matches!(self, Self::Documentation | Self::Other)
    }

    /// What a line of it begins with that is a comment.
    pub fn comments(self) -> &'static [&'static str] {
        match self {
            Self::Documentation | Self::Environment => &[],
            Self::Pipeline("Jenkins" | "TeamCity") | Self::Other => &["#", "//", "*", "/*"],
            Self::SystemdUnit | Self::Configuration => &["#", ";", "//", "<!--"],
            Self::Script => &["#", "::", "rem ", "REM ", "@rem ", "@REM "],
            _ => &["#"],
        }
    }

    /// In one word, for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::ShellProfile => "shell-profile",
            Self::Script => "script",
            Self::Makefile => "makefile",
            Self::Pipeline(_) => "pipeline",
            Self::Dockerfile => "dockerfile",
            Self::Yaml => "yaml",
            Self::SystemdUnit => "systemd-unit",
            Self::Configuration => "configuration",
            Self::Documentation => "documentation",
            Self::Other => "other",
        }
    }
}

/// The CI system whose pipeline has this name in this folder.
fn pipeline(folder: &str, name: &str) -> Option<&'static str> {
    let is_yaml = matches!(name.rsplit_once('.'), Some((_, "yml" | "yaml")));
    let within = |part: &str| folder == part || folder.ends_with(&format!("/{part}"));
    let below = |part: &str| within(part) || format!("/{folder}/").contains(&format!("/{part}/"));
    let stem = name.strip_suffix(".yml").or_else(|| name.strip_suffix(".yaml")).unwrap_or(name);
    let system = match stem {
        _ if is_yaml && (below(".github/workflows") || below(".github/actions")) => {
            "GitHub Actions"
        }
        _ if is_yaml && (below(".gitea/workflows") || below(".forgejo/workflows")) => {
            "Forgejo Actions"
        }
        _ if is_yaml && (stem.ends_with(".gitlab-ci") || below(".gitlab/ci")) => "GitLab CI",
        _ if is_yaml && below(".circleci") => "CircleCI",
        _ if is_yaml && (stem == ".woodpecker" || below(".woodpecker")) => "Woodpecker",
        _ if is_yaml && below(".tekton") => "Tekton",
        _ if below(".buildkite") => "Buildkite",
        _ if stem == "jenkinsfile" || stem.starts_with("jenkinsfile.") => "Jenkins",
        _ if stem.ends_with(".jenkinsfile") => "Jenkins",
        _ if is_yaml && (stem.contains("azure-pipelines") || below(".azure-pipelines")) => {
            "Azure Pipelines"
        }
        _ if below(".teamcity") => "TeamCity",
        ".drone" if is_yaml => "Drone",
        ".drone.jsonnet" | ".drone.star" => "Drone",
        "bitbucket-pipelines" if is_yaml => "Bitbucket Pipelines",
        ".travis" if is_yaml => "Travis CI",
        "appveyor" | ".appveyor" if is_yaml => "AppVeyor",
        "cloudbuild" if is_yaml => "Cloud Build",
        "buildspec" if is_yaml => "CodeBuild",
        _ => return None,
    };
    Some(system)
}

/// What shells read when they begin, and what sets variables for everybody.
pub(super) const PROFILES: &[&str] = &[
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_aliases",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".kshrc",
    ".mkshrc",
    ".cshrc",
    ".tcshrc",
    ".login",
    ".xprofile",
    ".xsessionrc",
    ".pam_environment",
    "config.fish",
    "fish_variables",
    "env.nu",
    "config.nu",
    ".xonshrc",
];
const MAKEFILES: &[&str] = &[
    "makefile",
    "gnumakefile",
    "justfile",
    "taskfile.yml",
    "taskfile.yaml",
    "rakefile",
    "earthfile",
    "vagrantfile",
];
const SCRIPTS: &[&str] = &[
    "sh", "bash", "zsh", "fish", "ksh", "csh", "bat", "cmd", "ps1", "psm1", "env", "envrc",
    "groovy", "bats",
];

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(".github/workflows/ci.yml", FileKind::Pipeline("GitHub Actions"))]
    #[test_case("a/.github/workflows/x/ci.yaml", FileKind::Pipeline("GitHub Actions"))]
    #[test_case(".gitlab-ci.yml", FileKind::Pipeline("GitLab CI"))]
    #[test_case("ci/build.gitlab-ci.yml", FileKind::Pipeline("GitLab CI"))]
    #[test_case("Jenkinsfile", FileKind::Pipeline("Jenkins"))]
    #[test_case("ci/Jenkinsfile.release", FileKind::Pipeline("Jenkins"))]
    #[test_case(".circleci/config.yml", FileKind::Pipeline("CircleCI"))]
    #[test_case("azure-pipelines.yml", FileKind::Pipeline("Azure Pipelines"))]
    #[test_case(".azure-pipelines/build.yml", FileKind::Pipeline("Azure Pipelines"))]
    #[test_case(".teamcity/settings.kts", FileKind::Pipeline("TeamCity"))]
    #[test_case(".drone.yml", FileKind::Pipeline("Drone"))]
    #[test_case(".drone.jsonnet", FileKind::Pipeline("Drone"))]
    #[test_case(".config/fish/fish_variables", FileKind::ShellProfile)]
    #[test_case("web.container", FileKind::SystemdUnit; "quadlet")]
    #[test_case(".woodpecker/build.yaml", FileKind::Pipeline("Woodpecker"))]
    #[test_case("bitbucket-pipelines.yml", FileKind::Pipeline("Bitbucket Pipelines"))]
    #[test_case(".travis.yml", FileKind::Pipeline("Travis CI"))]
    #[test_case(".tekton/push.yaml", FileKind::Pipeline("Tekton"))]
    #[test_case(".buildkite/hooks/pre-command", FileKind::Pipeline("Buildkite"))]
    #[test_case("home/.bashrc", FileKind::ShellProfile)]
    #[test_case("etc/profile.d/docker.sh", FileKind::ShellProfile)]
    #[test_case("etc/environment", FileKind::Script)]
    #[test_case(".config/environment.d/10-docker.conf", FileKind::Script)]
    #[test_case("docker.service.d/trust.conf", FileKind::SystemdUnit)]
    #[test_case("docker.service", FileKind::SystemdUnit)]
    #[test_case("Dockerfile.dev", FileKind::Dockerfile)]
    #[test_case("web.Dockerfile", FileKind::Dockerfile)]
    #[test_case("GNUmakefile", FileKind::Makefile)]
    #[test_case("deploy/values.yaml", FileKind::Yaml)]
    #[test_case("release.sh", FileKind::Script)]
    #[test_case(".env", FileKind::Script)]
    #[test_case("README.md", FileKind::Documentation)]
    #[test_case("main.go", FileKind::Other)]
    #[test_case("", FileKind::Other)]
    fn a_path_tells_it(path: &str, kind: FileKind) {
        assert_eq!(FileKind::of(path.as_bytes()), kind);
    }

    #[test]
    fn names_need_not_be_text() {
        assert_eq!(FileKind::of(b"\xff/\xfe.sh"), FileKind::Script);
    }
}
