//! Paths of an image, as text.

/// The absolute path that `path` is when it is seen from `folder`, without `.`, `..` and double
/// slashes. The root is its own parent.
pub fn joined(folder: &str, path: &str) -> String {
    let folder = if path.starts_with('/') { "" } else { folder };
    let mut names: Vec<&str> = Vec::new();
    for name in folder.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("/a", "b" => "/a/b"; "below")]
    #[test_case("/a", "/b//c/." => "/b/c"; "absolute")]
    #[test_case("/a/b", "../../../c" => "/c"; "above the root")]
    #[test_case("", "" => "/"; "nothing")]
    fn paths(folder: &str, path: &str) -> String {
        joined(folder, path)
    }
}
