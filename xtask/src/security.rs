//! `SECURITY.md` names a test for each promise, and `docs/embedding.md` for each row of
//! what is allowed where: the names must exist.

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

    fn all_sources() -> Vec<(String, String)> {
        let mut files = Vec::new();
        TREES.iter().for_each(|tree| sources(&paths::root().join(tree), &mut files));
        files
    }

    /// The cells of a row of a table.
    fn cells(line: &str) -> Vec<&str> {
        line.trim_matches('|').split(" | ").map(str::trim).collect()
    }

    /// The names of tests in a cell, each of which must exist.
    fn names_that_exist<'c>(cell: &'c str, files: &[(String, String)]) -> Vec<&'c str> {
        let names: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        for name in names.iter().filter(|name| !name.starts_with("./x ")) {
            let exists = match name.rsplit_once("::") {
                Some((module, case)) => {
                    let module = module.trim_end_matches("::tests");
                    let module = module.rsplit("::").next().unwrap();
                    let defined = format!("fn {case}(");
                    let is_in = |path: &str| path.contains(module);
                    files.iter().any(|(path, text)| is_in(path) && text.contains(&defined))
                }
                None => paths::root().join(name).exists(),
            };
            assert!(exists, "`{name}` does not exist");
        }
        names
    }

    #[test]
    fn every_promise_names_tests_that_exist() {
        let files = all_sources();
        let text = std::fs::read_to_string(paths::root().join("SECURITY.md")).unwrap();
        let mut rows = 0;
        for line in text.lines().filter(|line| line.starts_with("| ")) {
            let cells = cells(line);
            let tests = cells.last().unwrap();
            if *tests == "test" {
                continue;
            }
            assert_eq!(cells.len(), 4, "{line}");
            assert!(!names_that_exist(tests, &files).is_empty(), "no test: {line}");
            rows += 1;
        }
        assert!(rows > 20, "{rows} rows");
    }

    /// Which calls are allowed where: types check it, or tests.
    #[test]
    fn what_is_allowed_where_is_checked() {
        let files = all_sources();
        let text = std::fs::read_to_string(paths::root().join("docs/embedding.md")).unwrap();
        let (_, table) = text.split_once("| call | handler |").unwrap();
        let rows = table.lines().skip(2).take_while(|line| line.starts_with("| "));
        let rows: Vec<&str> = rows.collect();
        for line in &rows {
            let cells = cells(line);
            assert_eq!(cells.len(), 7, "{line}");
            let checks = cells[6];
            let names = names_that_exist(checks, &files);
            let is_checked = !names.is_empty() || checks.starts_with("the same");
            assert!(is_checked, "no test: {line}");
        }
        assert!(rows.len() > 10, "{} rows", rows.len());
    }
}
