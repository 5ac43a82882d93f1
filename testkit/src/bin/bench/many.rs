//! What only many sessions show: memory, storms, flatness, the limit of one process.

use crate::bounds::{self, Bound, beside_floor, beside_itself, told};
use crate::thousand::{Rounds, THOUSAND, messages};
use crate::{Bench, COLD_DEADLINE, DEADLINE, LOGINS_AT_ONCE, Phase, cost, cut};
use anyhow::Result;
use std::time::Duration;
use testkit::fleet::{CONTACTS, Contacts, Fleet, per_second};
use testkit::measure::{as_f64, microseconds_each};
use testkit::report::Row;
use testkit::server::Server;
use testkit::session::{Plan, Speaks};
use tokio::time::sleep;

/// How long memory may settle after the last login.
const SETTLE: Duration = Duration::from_secs(5);
/// As many sessions as the files of the reference machine allow.
const SESSIONS_MAX: usize = 19_000;
/// How long idling is measured.
const IDLE: Duration = Duration::from_secs(60);
/// Storms of which the median counts.
const STORMS: usize = 3;

/// What one kind of server needs for many sessions.
#[derive(Default)]
struct Figures {
    /// Of each session.
    memory_kib: f64,
    /// Of each session of the second half: without what is there only once.
    growth_kib: f64,
    /// Of each session after everybody was gone and came back.
    after_storm_kib: f64,
    /// With many sessions.
    message: Rounds,
    /// Storms of a thousand.
    few: Storms,
    /// Storms of everybody.
    many: Storms,
}

/// Storms of one size.
#[derive(Default)]
struct Storms {
    /// Processor time of each login with its presence, and logins per second.
    rounds: Rounds,
    /// Until the last one was in.
    longest: Duration,
    refused: Vec<String>,
}

impl Bench {
    /// Floor first, then Isochron, each alone with as many sessions as wanted.
    pub(crate) async fn many(&mut self) -> Result<()> {
        if self.wants(&[Phase::Memory, Phase::Storm, Phase::Message]) {
            let server = self.start_floor().await?;
            let floor = self.figures(&server, Speaks::Floor).await?;
            server.stop().await?;
            let server = self.start_isochron().await?;
            let ours = self.figures(&server, Speaks::Sametime).await?;
            self.tell(&ours, &floor);
            server.stop().await?;
        }
        if self.wants(&[Phase::Capacity]) && !self.short {
            self.capacity().await?;
        }
        Ok(())
    }

    async fn figures(&self, server: &Server, speaks: Speaks) -> Result<Figures> {
        let plan = self.plan(server, speaks);
        let (size, half) = (self.sessions, self.sessions / 2);
        let mut figures = Figures::default();

        let before = resident_kib(server).await?;
        let mut fleet = Fleet::new(&plan, size, Contacts::Ring).await?;
        fleet
            .login(0..half, LOGINS_AT_ONCE, COLD_DEADLINE)
            .await?
            .all_in()?;
        let middle = resident_kib(server).await?;
        fleet
            .login(half..size, LOGINS_AT_ONCE, COLD_DEADLINE)
            .await?
            .all_in()?;
        let after = resident_kib(server).await?;
        figures.memory_kib = (after - before) / as_f64(size);
        figures.growth_kib = (after - middle) / as_f64(size - half);
        fleet.settle()?;

        if self.wants(&[Phase::Message]) {
            fleet.converse(DEADLINE).await?;
            // The first round warms up and does not count.
            for round in 0..=self.rounds() {
                let result = messages(server, &mut fleet, self.messages_each_round()).await?;
                if round > 0 {
                    figures.message.add(result);
                }
            }
        }
        cut(server, fleet).await?;

        if self.wants(&[Phase::Storm]) {
            for _ in 0..STORMS {
                let few = THOUSAND.min(size);
                cut(server, figures.few.add(server, &plan, few, DEADLINE).await?).await?;
                let fleet = figures.many.add(server, &plan, size, DEADLINE).await?;
                figures.after_storm_kib = (resident_kib(server).await? - before) / as_f64(size);
                cut(server, fleet).await?;
            }
        }
        Ok(figures)
    }

    fn tell(&mut self, ours: &Figures, floor: &Figures) {
        let size = self.sessions;
        if self.wants(&[Phase::Memory]) {
            let what =
                format!("memory of an idle TLS session, {CONTACTS} contacts, {size} sessions");
            let (measured, plainest) = (ours.memory_kib, floor.memory_kib);
            self.report.add(beside_floor(
                &what,
                "KiB",
                measured,
                plainest,
                bounds::MEMORY_KIB,
            ));
            let kib = |figure| format!("{figure:.1} KiB");
            let what = "the same, each session of the second half";
            self.report
                .add(told(what, kib(ours.growth_kib), kib(floor.growth_kib)));
        }
        if self.wants(&[Phase::Message]) {
            let what = format!("message, {size} sessions");
            let (measured, plainest) = (ours.message.cost(), floor.message.cost());
            let row = match self.message_us {
                Some(few) => Row {
                    measured: format!("{measured:.1} us"),
                    floor: format!("{plainest:.1} us"),
                    ..beside_itself(
                        &what,
                        "that of 1,000",
                        measured / few,
                        bounds::MESSAGE_FLATNESS,
                    )
                },
                None => beside_floor(&what, "us", measured, plainest, Bound::default()),
            };
            self.report.add(row);
        }
        if self.wants(&[Phase::Storm]) {
            self.tell_storms(ours, floor);
        }
    }

    fn tell_storms(&mut self, ours: &Figures, floor: &Figures) {
        let size = self.sessions;
        let (many, few) = (ours.many.rounds.cost(), ours.few.rounds.cost());
        let what = format!("storm, login with its presence, {size} at once");
        let then = bounds::STORM_US;
        let (most, bound) = match self.floor_login_us {
            Some(login_us) => {
                let most = then * login_us / bounds::FLOOR_LOGIN_US;
                let floor_then = bounds::FLOOR_LOGIN_US;
                (
                    most,
                    format!("{then} us at a floor login of {floor_then}, so {most:.1} here"),
                )
            }
            None => (
                then,
                format!("{then} us, not scaled: `login` was not measured"),
            ),
        };
        let row = beside_floor(
            &what,
            "us",
            many,
            floor.many.rounds.cost(),
            Bound::default(),
        );
        self.report.add(Row {
            bound,
            met: Some(many <= most),
            ..row
        });
        let flat = beside_itself(
            &format!("storm of {size} against a storm of {THOUSAND}"),
            "that of 1,000",
            many / few,
            bounds::STORM_FLATNESS,
        );
        let (floor_many, floor_few) = (floor.many.rounds.cost(), floor.few.rounds.cost());
        self.report.add(Row {
            measured: format!("{many:.1} us; {few:.1} us"),
            floor: format!("{floor_many:.1} us; {floor_few:.1} us"),
            ..flat
        });
        self.report
            .add(refusals("storm: refused", &ours.many.refused));
        let last = |storms: &Storms| {
            format!(
                "{:.1} s; {}",
                storms.longest.as_secs_f64(),
                storms.rounds.rate()
            )
        };
        let what = "storm: the last one is in; logins";
        self.report
            .add(told(what, last(&ours.many), last(&floor.many)));
        let kib = |figures: &Figures| format!("{:.1} KiB", figures.after_storm_kib);
        self.report.add(told(
            "memory of a session after the storms",
            kib(ours),
            kib(floor),
        ));
    }

    /// As many sessions as one process can have, and what they cost while nobody says anything.
    async fn capacity(&mut self) -> Result<()> {
        let server = self.start_isochron().await?;
        let plan = self.plan(&server, Speaks::Sametime);
        let mut fleet = Fleet::new(&plan, SESSIONS_MAX, Contacts::Ring).await?;
        let logins = fleet
            .login(0..SESSIONS_MAX, LOGINS_AT_ONCE, COLD_DEADLINE)
            .await?;
        self.report.add(refusals(
            &format!("{SESSIONS_MAX} sessions: refused"),
            &logins.refused,
        ));
        server.process.quiet(DEADLINE).await?;
        let (cpu, ()) = cost(server.process, async {
            sleep(IDLE).await;
            Ok(())
        })
        .await?;
        // None has ended in the meantime.
        fleet.settle()?;
        let percent = 100.0 * cpu.as_secs_f64() / IDLE.as_secs_f64();
        self.report.add(Row {
            what: format!("idle, {SESSIONS_MAX} sessions, {} s", IDLE.as_secs()),
            measured: format!("{percent:.2} % of a core"),
            bound: format!("{} %", bounds::IDLE_PERCENT),
            met: Some(percent <= bounds::IDLE_PERCENT),
            ..Row::default()
        });
        cut(&server, fleet).await?;
        server.stop().await
    }

    /// People come back to a server that has just started, so that every password is hashed.
    pub(crate) async fn after_restart(&mut self) -> Result<()> {
        if !self.wants(&[Phase::Cold]) {
            return Ok(());
        }
        let server = self.start_isochron().await?;
        let plan = self.plan(&server, Speaks::Sametime);
        let mut storms = Storms::default();
        let size = self.cold;
        let fleet = storms.add(&server, &plan, size, COLD_DEADLINE).await?;
        self.report.add(refusals(
            &format!("cold storm, {size} at once: refused"),
            &storms.refused,
        ));
        let what = format!("cold storm, {size} at once: the last one is in; login");
        let (last, each) = (storms.longest.as_secs_f64(), storms.rounds.cost());
        self.report.add(told(
            &what,
            format!("{last:.1} s; {each:.0} us"),
            String::new(),
        ));
        cut(&server, fleet).await?;
        server.stop().await
    }
}

impl Storms {
    /// `size` people come at once; those who got in stay.
    async fn add(
        &mut self,
        server: &Server,
        plan: &Plan,
        size: usize,
        deadline: Duration,
    ) -> Result<Fleet> {
        let mut fleet = Fleet::new(plan, size, Contacts::Ring).await?;
        server.process.quiet(DEADLINE).await?;
        let (cpu, logins) = cost(server.process, async {
            let logins = fleet.login(0..size, size, deadline).await?;
            // Until the last watcher knows.
            server.process.quiet(DEADLINE).await?;
            Ok(logins)
        })
        .await?;
        self.rounds
            .add((microseconds_each(cpu, size), per_second(size, logins.wall)));
        self.longest = self.longest.max(logins.wall);
        self.refused.extend(logins.refused);
        Ok(fleet)
    }
}

/// Nobody may be refused.
fn refusals(what: &str, refused: &[String]) -> Row {
    let first = refused.first().map(|first| format!(", the first: {first}"));
    Row {
        what: what.to_owned(),
        measured: format!("{}{}", refused.len(), first.unwrap_or_default()),
        bound: "0".to_owned(),
        met: Some(refused.is_empty()),
        ..Row::default()
    }
}

/// What a server holds once it has done with everything.
pub(crate) async fn resident_kib(server: &Server) -> Result<f64> {
    server.process.quiet(DEADLINE).await?;
    // Some memory is given back only after a while.
    sleep(SETTLE).await;
    server.process.resident_kib()
}
