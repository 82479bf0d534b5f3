//! `SECURITY.md` names a test for each promise: the names must exist.

#[cfg(test)]
mod tests {
    use crate::paths;
    use std::path::Path;

    /// Where tests are.
    const TREES: [&str; 6] = ["src", "tests", "testsuite", "tests-qemu/src", "proofs", "xtask/src"];

    fn sources(folder: &Path, into: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }

    #[test]
    fn every_promise_names_tests_that_exist() {
        let root = paths::root();
        let mut files = Vec::new();
        for tree in TREES {
            sources(&root.join(tree), &mut files);
        }
        let text = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
        let mut rows = 0;
        for line in text.lines().filter(|line| line.starts_with("| ")) {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let tests = cells.last().unwrap();
            if *tests == "test" {
                continue;
            }
            assert_eq!(cells.len(), 4, "{line}");
            let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
            assert!(!names.is_empty(), "no test: {line}");
            rows += 1;
            for name in names.iter().filter(|name| !name.starts_with("./x ")) {
                let exists = match name.rsplit_once("::") {
                    Some((module, case)) => {
                        let module = module.trim_end_matches("::tests");
                        let module = module.rsplit("::").next().unwrap();
                        let defined = format!("fn {case}(");
                        let is_in = |path: &str| path.contains(module);
                        files.iter().any(|(path, text)| is_in(path) && text.contains(&defined))
                    }
                    None => root.join(name).exists(),
                };
                assert!(exists, "`{name}` does not exist");
            }
        }
        assert!(rows > 20, "{rows} rows");
    }
}
