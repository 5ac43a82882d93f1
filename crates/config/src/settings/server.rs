//! The process: health, logs, stop.

use super::{Kind, Names, OWN, Row, SWITCH, Setting, seconds};
use crate::LogFormat;
use std::path::PathBuf;
use std::time::Duration;

/// The health listener's port.
pub const HEALTH_PORT: Setting<u16> = Setting {
    row: Row {
        names: Names::One("HEALTH_PORT"),
        sections: OWN,
        default: Some("8533"),
        reloadable: false,
        meaning: "Loopback port of /healthz, /readyz and /metrics; 0 turns it off.",
        source: "our own",
    },
    kind: Kind::Number {
        min: 0,
        max: 65535,
        unit: "",
        make: |port| port as u16,
    },
};

/// Time to stop.
pub const DRAIN_TIMEOUT: Setting<Duration> = Setting {
    row: Row {
        names: Names::One("DRAIN_TIMEOUT_SECONDS"),
        sections: OWN,
        default: Some("10"),
        reloadable: false,
        meaning: "Seconds that a stopping server gives its sessions to end.",
        source: "our own",
    },
    kind: seconds(600),
};

/// The form of log lines.
pub const LOG_FORMAT: Setting<LogFormat> = Setting {
    row: Row {
        names: Names::One("LOG_FORMAT"),
        sections: OWN,
        default: Some("text"),
        reloadable: false,
        meaning: "Form of a log line: text for people, json for programs.",
        source: "our own",
    },
    kind: Kind::Word(&[("text", LogFormat::Text), ("json", LogFormat::Json)]),
};

/// The least important lines that are written.
pub const LOG_LEVEL: Setting<&'static str> = Setting {
    row: Row {
        names: Names::One("LOG_LEVEL"),
        sections: OWN,
        default: Some("info"),
        reloadable: false,
        meaning: "Least important lines that are written. No level shows messages or passwords.",
        source: "our own",
    },
    kind: Kind::Word(&[
        ("error", "error"),
        ("warn", "warn"),
        ("info", "info"),
        ("debug", "debug"),
        ("trace", "trace"),
    ]),
};

/// Names and addresses in logs.
pub const LOG_PERSONAL_DATA: Setting<bool> = Setting {
    row: Row {
        names: Names::One("LOG_PERSONAL_DATA"),
        sections: OWN,
        default: Some("0"),
        reloadable: false,
        meaning: "1 writes user names and addresses into the log as they are; 0 hides them.",
        source: "our own",
    },
    kind: SWITCH,
};

const PATH: Kind<PathBuf> = Kind::Other {
    expected: "the path of a file",
    parse: |text| Ok(PathBuf::from(text)),
};

/// Where the directories are described.
pub const COMMUNITY_CONFIG_FILE: Setting<PathBuf> = Setting {
    row: Row {
        names: Names::One("COMMUNITY_CONFIG_FILE"),
        sections: OWN,
        default: Some("StCommunityConfig.xml"),
        reloadable: true,
        meaning: "File that describes the directories; a relative path counts from the folder of sametime.ini. The \
            default one need not be there.",
        source: "config-files.md 2",
    },
    kind: PATH,
};

/// Where business cards are described.
pub const USER_INFO_CONFIG_FILE: Setting<PathBuf> = Setting {
    row: Row {
        names: Names::One("USER_INFO_CONFIG_FILE"),
        sections: OWN,
        default: Some("UserInfoConfig.xml"),
        reloadable: true,
        meaning: "File that describes where business cards come from; a relative path counts from the folder of \
            sametime.ini. The default one need not be there.",
        source: "ldap.md 11",
    },
    kind: PATH,
};
