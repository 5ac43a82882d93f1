//! What is to be reached, and rows that say whether it is.

use testkit::report::Row;

/// The floor's cost of a message in that of a bare TCP echo, as recorded on 2026-11-22: the median of four runs of
/// `cargo xtask bench floor` on a machine that also compiled (1.53, 1.64, 1.67, 1.72).
///
/// It says whether the floor of a run is to be trusted; it changes only together with the floor.
pub(crate) const FLOOR_TO_ECHO_RECORDED: f64 = 1.65;
/// A run whose ratio is above the recorded one by this factor is void.
pub(crate) const FLOOR_TO_ECHO_MAX: f64 = 1.15;

/// A bound: so many times the floor's figure, and an absolute figure on the machine where the floor's was this.
#[derive(Clone, Copy, Default)]
pub(crate) struct Bound {
    pub(crate) floors: Option<f64>,
    /// The figure, and the floor's when it was set. It grows and shrinks with the floor of the run, because
    /// machines are not alike.
    pub(crate) absolute: Option<(f64, f64)>,
    /// A figure that does not depend on the speed of the machine.
    pub(crate) fixed: Option<f64>,
}

/// The floor's figures on the machine where the bounds were set (`docs/performance.md`).
pub(crate) const FLOOR_LOGIN_US: f64 = 112.0;
const FLOOR_MESSAGE_US: f64 = 8.9;

pub(crate) const EMPTY_MIB: Bound = Bound {
    fixed: Some(20.0),
    floors: None,
    absolute: None,
};
pub(crate) const MEMORY_KIB: Bound = Bound {
    floors: Some(1.3),
    fixed: Some(16.0),
    absolute: None,
};
pub(crate) const LOGIN_US: Bound = Bound {
    absolute: Some((300.0, FLOOR_LOGIN_US)),
    floors: None,
    fixed: None,
};
/// A login in a storm, with all its presence traffic. It scales with the floor's login: the presence of a storm
/// has no figure from that machine.
pub(crate) const STORM_US: f64 = 500.0;
pub(crate) const MESSAGE_US: Bound = Bound {
    floors: Some(1.6),
    absolute: Some((16.0, FLOOR_MESSAGE_US)),
    fixed: None,
};
pub(crate) const PRESENCE_US: Bound = Bound {
    floors: Some(1.3),
    absolute: None,
    fixed: None,
};
pub(crate) const P50_US: Bound = Bound {
    floors: Some(1.5),
    absolute: None,
    fixed: None,
};
pub(crate) const P99_US: Bound = Bound {
    floors: Some(2.0),
    absolute: None,
    fixed: None,
};
/// A whole TLS connection.
pub(crate) const HANDSHAKE_US: Bound = Bound {
    floors: Some(1.0),
    absolute: None,
    fixed: None,
};
/// Percent of a connection that telling its protocol may cost.
pub(crate) const DETECTION_PERCENT: f64 = 2.0;
/// A connection that shook hands and says nothing.
pub(crate) const SILENT_KIB: Bound = Bound {
    fixed: Some(9.0),
    floors: None,
    absolute: None,
};
/// Against the best of the TLS proxies.
pub(crate) const BULK: f64 = 0.9;
/// What a change of certificate may leave behind, over a thousand of them. One that is not let go of holds a
/// certificate, a key and a set of rules, which is more; allocators are not exact to less.
pub(crate) const RELOAD_KIB: f64 = 2.0;
/// Many sessions against a thousand.
pub(crate) const STORM_FLATNESS: f64 = 1.15;
pub(crate) const MESSAGE_FLATNESS: f64 = 1.5;
/// RC2/128 in clear against TLS.
pub(crate) const LEGACY: f64 = 1.5;
/// Percent of a core that sessions cost at rest.
pub(crate) const IDLE_PERCENT: f64 = 0.2;

/// A row that compares Isochron with the floor.
pub(crate) fn beside_floor(what: &str, unit: &str, measured: f64, floor: f64, bound: Bound) -> Row {
    let ratio = measured / floor;
    let mut met = Vec::new();
    let mut said = Vec::new();
    if let Some(floors) = bound.floors {
        // As exactly as the row tells it; medians of rounds are not exact to more.
        met.push((ratio * 100.0).round() / 100.0 <= floors);
        said.push(format!("{floors} x floor"));
    }
    if let Some((figure, floor_then)) = bound.absolute {
        let here = figure * floor / floor_then;
        met.push(measured <= here);
        said.push(format!(
            "{figure} {unit} at a floor of {floor_then}, so {here:.1} here"
        ));
    }
    if let Some(fixed) = bound.fixed {
        met.push(measured <= fixed);
        said.push(format!("{fixed} {unit}"));
    }
    Row {
        what: what.to_owned(),
        measured: format!("{measured:.1} {unit}"),
        floor: format!("{floor:.1} {unit}"),
        ratio: format!("{ratio:.2}"),
        bound: said.join("; "),
        met: (!met.is_empty()).then(|| met.iter().all(|met| *met)),
    }
}

/// A row that compares Isochron with itself.
pub(crate) fn beside_itself(what: &str, other: &str, ratio: f64, most: f64) -> Row {
    Row {
        what: what.to_owned(),
        ratio: format!("{ratio:.2}"),
        bound: format!("{most} x {other}"),
        met: Some(ratio <= most),
        ..Row::default()
    }
}

/// A row that is only told.
pub(crate) fn told(what: &str, measured: String, floor: String) -> Row {
    Row {
        what: what.to_owned(),
        measured,
        floor,
        ..Row::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absolute_bound_scales_with_the_floor_and_a_fixed_one_does_not() {
        let slow_machine = beside_floor("message", "us", 30.0, 20.0, MESSAGE_US);
        assert_eq!(slow_machine.met, Some(true), "{slow_machine:?}");
        let too_dear = beside_floor("message", "us", 33.0, 20.0, MESSAGE_US);
        assert_eq!(too_dear.met, Some(false), "1.65 x floor");
        let too_big = beside_floor("memory", "KiB", 17.0, 15.0, MEMORY_KIB);
        assert_eq!(
            too_big.met,
            Some(false),
            "over 16 KiB, whatever the floor needs"
        );
    }
}
