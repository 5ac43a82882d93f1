//! What the community counts.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use wire::CloseReason;
use wire::link::Transport;
use wire::server::AuthType;

/// How a session is protected on its way, as an administrator needs it to switch to strict TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protection {
    LegacyPlain,
    LegacyRc2_40,
    LegacyRc2_128,
    Tls12,
    Tls13,
}

impl Protection {
    const ALL: [Self; 5] = [
        Self::LegacyPlain,
        Self::LegacyRc2_40,
        Self::LegacyRc2_128,
        Self::Tls12,
        Self::Tls13,
    ];

    pub(crate) fn of(transport: Transport, auth_type: AuthType) -> Self {
        match (transport, auth_type) {
            (Transport::Tls12, _) => Self::Tls12,
            (Transport::Tls13, _) => Self::Tls13,
            (Transport::Clear, AuthType::Rc2_128) => Self::LegacyRc2_128,
            (Transport::Clear, AuthType::Rc2_40) => Self::LegacyRc2_40,
            (Transport::Clear, AuthType::Plain | AuthType::Token) => Self::LegacyPlain,
        }
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::LegacyPlain => "legacy-plain",
            Self::LegacyRc2_40 => "legacy-rc2-40",
            Self::LegacyRc2_128 => "legacy-rc2-128",
            Self::Tls12 => "tls1.2",
            Self::Tls13 => "tls1.3",
        }
    }
}

/// Handles, so that counting costs no look-up.
pub(crate) struct Metrics {
    sessions: Vec<Gauge>,
    pub(crate) logins: Counter,
    pub(crate) logins_refused: Vec<(CloseReason, Counter)>,
    pub(crate) messages_relayed: Counter,
    pub(crate) presence_updates: Counter,
    pub(crate) channels_refused: Counter,
    pub(crate) unreadable_data: Counter,
}

impl Metrics {
    pub(crate) fn register() -> Self {
        describe_gauge!(
            "isochron_sessions",
            "Users logged in, by how their connection is protected."
        );
        describe_counter!("isochron_logins_total", "Logins that succeeded.");
        describe_counter!(
            "isochron_logins_refused_total",
            "Logins that were refused, by reason."
        );
        describe_counter!(
            "isochron_messages_relayed_total",
            "Messages handed from one client to another."
        );
        describe_counter!(
            "isochron_presence_updates_total",
            "Presence changes sent to watchers."
        );
        describe_counter!(
            "isochron_channels_refused_total",
            "Channels that were refused."
        );
        describe_counter!(
            "isochron_unreadable_data_total",
            "Messages to a service that could not be read."
        );
        let refusals = [
            CloseReason::WrongLogin,
            CloseReason::AccountDisabled,
            CloseReason::TooManyFailures,
            CloseReason::DirectoryAway,
            CloseReason::AuthTypeRefused,
        ];
        Self {
            sessions: Protection::ALL
                .iter()
                .map(|protection| gauge!("isochron_sessions", "transport" => protection.label()))
                .collect(),
            logins: counter!("isochron_logins_total"),
            logins_refused: refusals
                .map(|reason| {
                    (
                        reason,
                        counter!("isochron_logins_refused_total", "reason" => reason.label()),
                    )
                })
                .into(),
            messages_relayed: counter!("isochron_messages_relayed_total"),
            presence_updates: counter!("isochron_presence_updates_total"),
            channels_refused: counter!("isochron_channels_refused_total"),
            unreadable_data: counter!("isochron_unreadable_data_total"),
        }
    }

    pub(crate) fn sessions(&self, protection: Protection) -> &Gauge {
        // One gauge for each protection, in the order of the enum.
        &self.sessions[protection as usize]
    }

    pub(crate) fn login_refused(&self, reason: CloseReason) {
        if let Some((_, counter)) = self
            .logins_refused
            .iter()
            .find(|(known, _)| *known == reason)
        {
            counter.increment(1);
        }
    }
}
