//! What is linked into the product: licences and banned crates, as `deny.toml` says.
//!
//! `cargo deny check` reads the same file; this check needs no other tool.

use std::collections::{BTreeMap, BTreeSet};

/// Where each crate from outside has a row that says what it is for.
pub(super) const RECORD: &str = "docs/decisions/0000-dependencies.md";

/// What `deny.toml` says, as far as this check reads it.
#[derive(Default)]
struct Policy {
    licences: Vec<String>,
    /// Licences for one crate alone: (crate, licence).
    exceptions: Vec<(String, String)>,
    banned: Vec<String>,
}

/// Faults in the dependencies; `tree` has a line `name version …|licence` for each.
pub(super) fn check(tree: &str, policy: &str) -> Vec<String> {
    let policy = Policy::read(policy);
    let mut faults = BTreeSet::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let (package, licence) = line.split_once('|').unwrap_or((line, ""));
        let mut words = package.split_whitespace();
        let name = words.next().unwrap_or_default();
        versions.entry(name).or_default().extend(words.next());
        // Cargo marks what it has shown before.
        let licence = licence.trim_end_matches(" (*)").trim();
        if policy.banned.iter().any(|banned| banned == name) {
            faults.insert(format!("{name}: banned by deny.toml"));
        }
        if !policy.permits(name, licence) {
            faults.insert(format!("{name}: licence \"{licence}\" is not in deny.toml"));
        }
    }
    // The bundled C library would be there twice, with one set of symbols.
    if versions.get("libsqlite3-sys").is_some_and(|v| v.len() > 1) {
        faults.insert("libsqlite3-sys: more than one version".to_owned());
    }
    faults.into_iter().collect()
}

/// Faults in the record of decisions: a crate of the workspace's manifest that has no row there.
pub(super) fn check_record(manifest: &str, record: &str) -> Vec<String> {
    let section = manifest.split("[workspace.dependencies]").nth(1);
    let lines = section.unwrap_or_default().lines();
    let named: BTreeSet<&str> = record
        .lines()
        .filter(|line| line.starts_with('|'))
        .flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_')))
        .collect();
    lines
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.contains("path = "))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.trim())
        .filter(|name| !name.starts_with('#') && !named.contains(name))
        .map(|name| format!("{name}: a dependency without a row in {RECORD}"))
        .collect()
}

impl Policy {
    /// Reads the lists of `deny.toml` line by line: one item a line, which the file promises.
    fn read(text: &str) -> Self {
        let mut policy = Self::default();
        let mut list = "";
        for line in text.lines().map(str::trim) {
            if let Some((key, rest)) = line.split_once(" = [")
                && !line.starts_with(['{', '#'])
            {
                list = if rest.contains(']') { "" } else { key };
                continue;
            }
            let quoted: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
            match (list, quoted.as_slice()) {
                _ if line.starts_with('#') => {}
                _ if line == "]" => list = "",
                ("allow", [licence]) => policy.licences.push((*licence).to_owned()),
                ("exceptions", [name, licences @ ..]) => {
                    let pairs = licences
                        .iter()
                        .map(|l| ((*name).to_owned(), (*l).to_owned()));
                    policy.exceptions.extend(pairs);
                }
                ("deny", [name, ..]) => policy.banned.push((*name).to_owned()),
                _ => {}
            }
        }
        policy
    }

    fn permits(&self, package: &str, expression: &str) -> bool {
        // Old manifests separate alternatives by a slash.
        let spaced = expression
            .replace('/', " OR ")
            .replace('(', " ( ")
            .replace(')', " ) ");
        let tokens: Vec<&str> = spaced.split_whitespace().collect();
        let accepts = |licence: &str| {
            let exception = (package.to_owned(), licence.to_owned());
            self.licences.iter().any(|l| l == licence) || self.exceptions.contains(&exception)
        };
        let mut rest = tokens.as_slice();
        either(&mut rest, &accepts) && rest.is_empty()
    }
}

/// `a OR b …`. Every part is read, whatever the first one said.
fn either(tokens: &mut &[&str], accepts: &dyn Fn(&str) -> bool) -> bool {
    let mut result = both(tokens, accepts);
    while let ["OR", rest @ ..] = *tokens {
        *tokens = rest;
        result |= both(tokens, accepts);
    }
    result
}

/// `a AND b …`, which binds more tightly than `OR`.
fn both(tokens: &mut &[&str], accepts: &dyn Fn(&str) -> bool) -> bool {
    let mut result = one(tokens, accepts);
    while let ["AND", rest @ ..] = *tokens {
        *tokens = rest;
        result &= one(tokens, accepts);
    }
    result
}

/// One licence, one licence with an exception, or an expression in parentheses.
fn one(tokens: &mut &[&str], accepts: &dyn Fn(&str) -> bool) -> bool {
    match *tokens {
        ["(", rest @ ..] => {
            *tokens = rest;
            let result = either(tokens, accepts);
            let [")", rest @ ..] = *tokens else {
                return false;
            };
            *tokens = rest;
            result
        }
        [licence, "WITH", exception, rest @ ..] => {
            *tokens = rest;
            accepts(&format!("{licence} WITH {exception}"))
        }
        [licence, rest @ ..] => {
            *tokens = rest;
            accepts(licence)
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "\
[licenses]
allow = [
    \"MIT\",
    \"ISC\", # a remark
]
exceptions = [
    { crate = \"fuzzer\", allow = [\"NCSA\"] },
]
[bans]
deny = [
    { crate = \"openssl-sys\", reason = \"one crypto provider\" },
]
";

    #[test]
    fn a_licence_expression_is_judged_as_a_whole() {
        let policy = Policy::read(POLICY);
        let permitted = [
            ("a", "MIT"),
            ("a", "GPL-3.0 OR MIT"),
            ("a", "GPL-3.0/MIT"),
            ("a", "MIT AND ISC"),
            ("a", "ISC AND (GPL-3.0 OR ISC)"),
            ("fuzzer", "(MIT OR X) AND NCSA"),
        ];
        for (package, licence) in permitted {
            assert!(policy.permits(package, licence), "{package}: {licence}");
        }
        let refused = [
            ("a", ""),
            ("a", "GPL-3.0"),
            ("a", "MIT AND GPL-3.0"),
            ("a", "(MIT"),
            ("a", "MIT WITH some-exception"),
            ("a", "(MIT OR X) AND NCSA"),
        ];
        for (package, licence) in refused {
            assert!(!policy.permits(package, licence), "{package}: {licence}");
        }
    }

    #[test]
    fn a_dependency_has_a_row_in_the_record() {
        let manifest = "[workspace.dependencies]\nwire = { path = \"wire\" }\n\
            # A remark = here.\nbytes = \"1\"\nnew-one = \"1\"\n[profile.dev]\ndebug = 1\n";
        let faults = check_record(manifest, "new-one is in the text\n| Strings | bytes, x |\n");
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with("new-one: "));
    }

    #[test]
    fn a_banned_crate_and_a_second_sqlite_are_faults() {
        let tree = "openssl-sys v0.9.1|MIT\nlibsqlite3-sys v0.1.0|MIT\n\
            bytes v1.0.0|MIT\nbytes v1.0.0|MIT (*)\nlibsqlite3-sys v0.2.0|MIT (*)\n";
        let expected = [
            "libsqlite3-sys: more than one version",
            "openssl-sys: banned by deny.toml",
        ];
        assert_eq!(check(tree, POLICY), expected);
    }
}
