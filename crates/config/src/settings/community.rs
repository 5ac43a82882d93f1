//! Logins and services.

use super::{CONFIG, Kind, Names, OWN, Row, SWITCH, Setting, seconds};
use crate::WeakestAuth;
use std::time::Duration;

/// Bytes of a community's name: it travels in every user id, and real ones are host names.
const COMMUNITY_ID_BYTES_MAX: usize = 255;

/// The community's name.
pub const COMMUNITY_ID: Setting<String> = Setting {
    row: Row {
        names: Names::One("ST_COMMUNITY_ID"),
        sections: CONFIG,
        default: None,
        reloadable: false,
        meaning: "Name of the community. Clients that send it mean this community, as do those that send none.",
        source: "config-files.md 1",
    },
    kind: Kind::Other {
        expected: "a name of at most 255 bytes",
        parse: |text| match text.len() {
            ..=COMMUNITY_ID_BYTES_MAX => Ok(text.to_owned()),
            length => Err(format!("has {length} bytes")),
        },
    },
};

/// The weakest proof of a password.
pub const WEAKEST_AUTHENTICATION: Setting<WeakestAuth> = Setting {
    row: Row {
        names: Names::One("WEAKEST_AUTHENTICATION"),
        sections: OWN,
        default: Some("rc2_128"),
        reloadable: false,
        meaning: "Weakest form in which a login may carry its password: rc2_128 as all current clients do, \
            rc2_40 for very old ones (the key travels beside it), plain.",
        source: "protocol/connection.md, LOGIN",
    },
    kind: Kind::Word(&[
        ("rc2_128", WeakestAuth::Rc2_128),
        ("rc2_40", WeakestAuth::Rc2_40),
        ("plain", WeakestAuth::Plain),
    ]),
};

/// One login for each user.
pub const SINGLE_LOGIN: Setting<bool> = Setting {
    row: Row {
        names: Names::One("VP_ONLY_SINGLE_LOGIN_ALLOWED"),
        sections: CONFIG,
        default: Some("0"),
        reloadable: false,
        meaning: "1 ends a user's other logins when the user logs in anew.",
        source: "config-files.md 1",
    },
    kind: SWITCH,
};

/// Time to log in.
pub const LOGIN_TIMEOUT: Setting<Duration> = Setting {
    row: Row {
        names: Names::One("LOGIN_TIMEOUT_SECONDS"),
        sections: OWN,
        default: Some("30"),
        reloadable: false,
        meaning: "Seconds from the first bytes until a client has sent its login.",
        source: "protocol/server-behaviour.md, Limits",
    },
    kind: seconds(600),
};
