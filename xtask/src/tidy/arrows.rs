//! Which room may use which: imports go downwards only (`ARCHITECTURE.md`, section 2).

use serde_json::Value;

/// Every room and the rooms that its code may use. A new arrow is a decision record and a row here.
const ROOMS: [(&str, &[&str]); 13] = [
    ("wire", &[]),
    ("config", &[]),
    ("keys", &["config"]),
    ("store", &["config"]),
    ("net", &["config", "keys", "wire"]),
    ("identity", &["config", "keys", "store"]),
    ("community", &["wire", "config", "identity", "store"]),
    ("mux", &["net", "wire", "config"]),
    (
        "isochron",
        &[
            "wire",
            "config",
            "keys",
            "net",
            "identity",
            "store",
            "community",
            "mux",
        ],
    ),
    ("testkit", &["wire"]),
    ("tests", &["wire", "testkit"]),
    ("fuzz", &["wire", "config", "keys", "net"]),
    ("xtask", &["config"]),
];

/// What tests may use on top, wherever they stand.
const TESTS_MAY_USE: &str = "testkit";

/// Crates from outside that a room must not have, with the reason.
const CLOSED_TO: [(&str, &[&str], &str); 2] = [
    (
        "wire",
        &["tokio", "mio", "socket2", "rustls"],
        "the protocol is a library without sockets",
    ),
    (
        "community",
        &["rustls", "socket2", "axum"],
        "the community never sees a socket, TLS or HTTP",
    ),
];

/// Errors without a type are for those who only print them.
const MAY_USE_ANYHOW: [&str; 5] = ["isochron", "testkit", "tests", "fuzz", "xtask"];

/// A crate of the workspace, with the name that the architecture gives it.
#[derive(Debug)]
pub(super) struct Package {
    room: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug)]
struct Dependency {
    name: String,
    is_ours: bool,
    is_for_tests: bool,
}

/// The packages in the answer of `cargo metadata --no-deps`.
pub(super) fn packages(metadata: &Value) -> Vec<Package> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let room = |name: &Value| {
        let name = name.as_str().unwrap_or_default();
        name.strip_prefix("isochron-").unwrap_or(name).to_owned()
    };
    let dependency = |value: &Value| Dependency {
        name: room(&value["name"]),
        is_ours: !value["path"].is_null(),
        is_for_tests: value["kind"] == "dev",
    };
    list(&metadata["packages"])
        .iter()
        .map(|package| Package {
            room: room(&package["name"]),
            dependencies: list(&package["dependencies"])
                .iter()
                .map(dependency)
                .collect(),
        })
        .collect()
}

/// Faults in the dependencies between the rooms, and of the rooms on the world.
pub(super) fn check(packages: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages {
        let room = package.room.as_str();
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            faults.push(format!(
                "{room}: a room that the table in xtask/src/tidy/arrows.rs does not know"
            ));
            continue;
        };
        for Dependency {
            name,
            is_ours,
            is_for_tests,
        } in &package.dependencies
        {
            let name = name.as_str();
            let is_allowed = allowed.contains(&name) || (*is_for_tests && name == TESTS_MAY_USE);
            if *is_ours && !is_allowed {
                faults.push(format!(
                    "{room} -> {name}: imports go downwards only; see ARCHITECTURE.md, section 2"
                ));
            }
            if *is_ours || *is_for_tests {
                continue;
            }
            for (closed, names, reason) in CLOSED_TO {
                if closed == room && names.contains(&name) {
                    faults.push(format!("{room} -> {name}: {reason}"));
                }
            }
            if name == "anyhow" && !MAY_USE_ANYHOW.contains(&room) {
                faults.push(format!(
                    "{room} -> anyhow: a room has one Error enum at its border"
                ));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn faults(room: &str, dependency: &str, ours: bool, kind: Option<&str>) -> Vec<String> {
        let path = ours.then_some("somewhere");
        check(&packages(&json!({ "packages": [{
            "name": room,
            "dependencies": [{ "name": dependency, "path": path, "kind": kind }],
        }]})))
    }

    #[test]
    fn imports_go_downwards_only() {
        let allowed = [
            ("isochron-community", "isochron-wire"),
            ("isochron-identity", "isochron-store"),
            ("isochron", "isochron-mux"),
        ];
        for (room, dependency) in allowed {
            assert_eq!(faults(room, dependency, true, None), [""; 0]);
        }
        let forbidden = [
            ("isochron-wire", "isochron-config"),
            ("isochron-store", "isochron-identity"),
            ("isochron-mux", "isochron-community"),
            ("isochron-community", "isochron-net"),
            ("isochron-net", "isochron"),
        ];
        for (room, dependency) in forbidden {
            let faults = faults(room, dependency, true, None);
            assert_eq!(faults.len(), 1, "{room} -> {dependency}");
        }
    }

    #[test]
    fn the_testkit_is_for_tests() {
        let kit = "isochron-testkit";
        assert_eq!(faults("isochron-net", kit, true, Some("dev")), [""; 0]);
        assert_eq!(faults("isochron-net", kit, true, None).len(), 1);
        let upwards = faults("isochron-net", "isochron-mux", true, Some("dev"));
        assert_eq!(upwards.len(), 1);
    }

    #[test]
    fn a_room_stays_closed_to_what_it_never_does() {
        assert_eq!(faults("isochron-wire", "tokio", false, None).len(), 1);
        assert_eq!(
            faults("isochron-wire", "tokio", false, Some("dev")),
            [""; 0]
        );
        assert_eq!(faults("isochron-store", "anyhow", false, None).len(), 1);
        assert_eq!(faults("isochron", "anyhow", false, None), [""; 0]);
    }

    #[test]
    fn a_new_room_needs_a_row() {
        assert_eq!(faults("isochron-attic", "bytes", false, None).len(), 1);
    }
}
