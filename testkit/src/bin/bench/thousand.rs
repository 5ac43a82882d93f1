//! What is measured at rest and with a thousand sessions, in rounds: floor and Isochron take turns.

use crate::bounds::{self, beside_floor, beside_itself, told};
use crate::{Bench, DEADLINE, LOGINS_AT_ONCE, Phase, cost, cut, fleet};
use anyhow::Result;
use testkit::fleet::{CONTACTS, Contacts, Fleet, per_second};
use testkit::measure::{median, microseconds_each, percentile};
use testkit::report::Row;
use testkit::server::{self, Server};
use testkit::session::{Plan, Speaks};
use wire::client::Offer;

/// So many sessions where it is not many.
pub(crate) const THOUSAND: usize = 1000;
/// Logins of a round.
const LOGINS: usize = 500;
/// Messages on their way at a time: enough to keep the servers from sleeping between two of them.
const MESSAGES_IN_FLIGHT: usize = 128;
/// Messages of a round, full and short.
const MESSAGES: (usize, usize) = (40_000, 8_000);
/// Changes on their way at a time, each to all its watchers.
const CHANGES_IN_FLIGHT: usize = 8;
/// Changes of a round, full and short.
const CHANGES: (usize, usize) = (4_000, 800);
/// The load under which latency is measured, and for how many seconds of each round.
const LATENCY_PER_SECOND: u32 = 1000;
const LATENCY_SECONDS: (u32, u32) = (10, 3);

/// A server and who is logged in.
pub(crate) struct Busy {
    server: Server,
    fleet: Fleet,
}

impl Busy {
    async fn end(self) -> Result<()> {
        cut(&self.server, self.fleet).await?;
        self.server.stop().await
    }
}

/// Medians of cost and throughput over rounds.
#[derive(Default)]
pub(crate) struct Rounds {
    cost: Vec<f64>,
    per_second: Vec<f64>,
}

impl Rounds {
    pub(crate) fn add(&mut self, (cost, per_second): (f64, f64)) {
        self.cost.push(cost);
        self.per_second.push(per_second);
    }

    pub(crate) fn cost(&self) -> f64 {
        median(&self.cost)
    }

    /// How many in a second, as text.
    pub(crate) fn rate(&self) -> String {
        format!("{:.0} /s", median(&self.per_second))
    }
}

impl Bench {
    pub(crate) fn pick<T>(&self, (full, short): (T, T)) -> T {
        if self.short { short } else { full }
    }

    pub(crate) fn messages_each_round(&self) -> usize {
        self.pick(MESSAGES)
    }

    /// The process without people, before its first client.
    pub(crate) async fn at_rest(&mut self) -> Result<()> {
        if !self.wants(&[Phase::Empty]) {
            return Ok(());
        }
        let floor = self.start_floor().await?;
        let program = &self.programs.isochron;
        let data = server::people(program, &self.folder, 0).await?;
        let isochron = Server::isochron(program, &data, "").await?;
        let mut mib = [0.0; 2];
        for (server, mib) in [isochron, floor].into_iter().zip(&mut mib) {
            server.process.quiet(DEADLINE).await?;
            *mib = server.process.resident_kib()? / 1024.0;
            server.stop().await?;
        }
        let [measured, floor] = mib;
        self.report.add(beside_floor(
            "empty process",
            "MiB",
            measured,
            floor,
            bounds::EMPTY_MIB,
        ));
        Ok(())
    }

    /// Everything that a thousand sessions can show.
    pub(crate) async fn thousand(&mut self) -> Result<()> {
        let busy = [Phase::Message, Phase::Presence, Phase::Latency];
        if !self.wants(&[Phase::Login, Phase::Legacy]) && !self.wants(&busy) {
            return Ok(());
        }
        let floor = self.start_floor().await?;
        let isochron = self.start_isochron().await?;
        if self.wants(&[Phase::Login]) {
            self.login(&floor, &isochron).await?;
        }
        if self.wants(&[Phase::Legacy]) {
            self.legacy(&isochron).await?;
        }
        if self.wants(&busy) {
            let size = THOUSAND.min(self.sessions);
            let mut floor = self.busy(floor, Speaks::Floor, size).await?;
            let mut isochron = self.busy(isochron, Speaks::Sametime, size).await?;
            if self.wants(&[Phase::Message]) {
                self.message(&mut floor, &mut isochron).await?;
            }
            if self.wants(&[Phase::Presence]) {
                self.presence(&mut floor, &mut isochron).await?;
            }
            if self.wants(&[Phase::Latency]) {
                self.latency(&mut floor, &mut isochron).await?;
            }
            floor.end().await?;
            return isochron.end().await;
        }
        isochron.stop().await
    }

    /// Logs in `size` sessions that converse in pairs.
    pub(crate) async fn busy(&self, server: Server, speaks: Speaks, size: usize) -> Result<Busy> {
        let plan = self.plan(&server, speaks);
        let mut fleet = match speaks {
            Speaks::Echo => {
                let mut fleet = Fleet::new(&plan, size, Contacts::Ring).await?;
                fleet
                    .login(0..size, LOGINS_AT_ONCE, DEADLINE)
                    .await?
                    .all_in()?;
                fleet
            }
            Speaks::Floor | Speaks::Sametime => fleet(&server, &plan, size).await?,
        };
        fleet.converse(DEADLINE).await?;
        Ok(Busy { server, fleet })
    }

    async fn login(&mut self, floor: &Server, isochron: &Server) -> Result<()> {
        let size = LOGINS.min(self.sessions / 2);
        let sametime = self.plan(isochron, Speaks::Sametime);
        // Watches people who are not there: this is the login alone, the storm has the presence.
        let contacts = Contacts::From(self.sessions / 2);
        let cold = logins(isochron, &sametime, size, contacts).await?;
        let plan = self.plan(floor, Speaks::Floor);
        let (mut warm, mut plainest) = (Rounds::default(), Rounds::default());
        for _ in 0..self.rounds() {
            plainest.add(logins(floor, &plan, size, contacts).await?);
            warm.add(logins(isochron, &sametime, size, contacts).await?);
        }
        self.floor_login_us = Some(plainest.cost());
        let row = beside_floor(
            "login, verifier warm",
            "us",
            warm.cost(),
            plainest.cost(),
            bounds::LOGIN_US,
        );
        self.report.add(row);
        self.report.add(told(
            "login, cold (Argon2id)",
            format!("{:.0} us", cold.0),
            String::new(),
        ));
        self.report
            .add(told("logins, warm", warm.rate(), plainest.rate()));
        Ok(())
    }

    async fn message(&mut self, floor: &mut Busy, isochron: &mut Busy) -> Result<()> {
        let size = isochron.fleet.size();
        let server = Server::floor(&self.programs.floor, true).await?;
        let mut echo = self.busy(server, Speaks::Echo, size).await?;
        let [bare, plainest, ours] = self.take_turns([&mut echo, floor, isochron]).await?;
        echo.end().await?;
        self.judge_floor(plainest.cost() / bare.cost(), bare.cost());
        let what = format!("message, {size} sessions");
        let row = beside_floor(
            &what,
            "us",
            ours.cost(),
            plainest.cost(),
            bounds::MESSAGE_US,
        );
        self.report.add(row);
        let what = format!("messages, {size} sessions");
        self.report.add(told(&what, ours.rate(), plainest.rate()));
        self.message_us = Some(ours.cost());
        Ok(())
    }

    /// Messages with each server in turn; the first round warms up and does not count.
    async fn take_turns<const N: usize>(&self, mut busy: [&mut Busy; N]) -> Result<[Rounds; N]> {
        let count = self.messages_each_round();
        let mut rounds = std::array::from_fn(|_| Rounds::default());
        for round in 0..=self.rounds() {
            for (busy, rounds) in busy.iter_mut().zip(&mut rounds) {
                let figures = messages(&busy.server, &mut busy.fleet, count).await?;
                if round > 0 {
                    rounds.add(figures);
                }
            }
        }
        Ok(rounds)
    }

    /// What a change of the floor has to show, before and after.
    pub(crate) async fn floor_alone(&mut self) -> Result<()> {
        if !self.only.contains(&Phase::Floor) {
            return Ok(());
        }
        let size = THOUSAND.min(self.sessions);
        let server = self.start_floor().await?;
        let plan = self.plan(&server, Speaks::Floor);
        let mut login = Rounds::default();
        for _ in 0..self.rounds() {
            let contacts = Contacts::From(size);
            login.add(logins(&server, &plan, LOGINS.min(size), contacts).await?);
        }
        let mut floor = self.busy(server, Speaks::Floor, size).await?;
        let server = Server::floor(&self.programs.floor, true).await?;
        let mut echo = self.busy(server, Speaks::Echo, size).await?;
        let [bare, message] = self.take_turns([&mut echo, &mut floor]).await?;
        let mut presence = Rounds::default();
        for _ in 0..self.rounds() {
            presence.add(changes(&mut floor, self.pick(CHANGES)).await?);
        }
        floor.end().await?;
        echo.end().await?;
        self.judge_floor(message.cost() / bare.cost(), bare.cost());
        for (what, rounds) in [("login", login), ("status change to one watcher", presence)] {
            let cost = format!("{:.1} us", rounds.cost());
            self.report.add(told(what, String::new(), cost));
        }
        Ok(())
    }

    /// Whether the floor of this run is the one that was recorded.
    fn judge_floor(&mut self, ratio: f64, echo_us: f64) {
        let most = bounds::FLOOR_TO_ECHO_RECORDED * bounds::FLOOR_TO_ECHO_MAX;
        if ratio > most {
            self.report.void = Some(format!(
                "the floor costs {ratio:.2} x the echo, at most {most:.2}"
            ));
        }
        self.report.add(Row {
            what: "floor against bare TCP echo".to_owned(),
            measured: String::new(),
            floor: format!("{:.1} us; echo {echo_us:.1} us", ratio * echo_us),
            ratio: format!("{ratio:.2}"),
            bound: format!("{most:.2} x echo, else the run is void"),
            met: Some(ratio <= most),
        });
    }

    async fn presence(&mut self, floor: &mut Busy, isochron: &mut Busy) -> Result<()> {
        let count = self.pick(CHANGES);
        let (mut plainest, mut ours) = (Rounds::default(), Rounds::default());
        for round in 0..=self.rounds() {
            let figures = (
                changes(floor, count).await?,
                changes(isochron, count).await?,
            );
            if round > 0 {
                plainest.add(figures.0);
                ours.add(figures.1);
            }
        }
        let what = "status change to one watcher";
        let row = beside_floor(
            what,
            "us",
            ours.cost(),
            plainest.cost(),
            bounds::PRESENCE_US,
        );
        self.report.add(row);
        self.report.add(told(
            "status changes to watchers",
            ours.rate(),
            plainest.rate(),
        ));
        Ok(())
    }

    async fn latency(&mut self, floor: &mut Busy, isochron: &mut Busy) -> Result<()> {
        let seconds = self.pick(LATENCY_SECONDS);
        let mut p50 = [Vec::new(), Vec::new()];
        let mut p99 = [Vec::new(), Vec::new()];
        for _ in 0..self.rounds() {
            for (index, busy) in [&mut *isochron, &mut *floor].into_iter().enumerate() {
                let taken = busy
                    .fleet
                    .latencies(LATENCY_PER_SECOND, seconds, DEADLINE)
                    .await?;
                p50[index].push(percentile(&taken, 50));
                p99[index].push(percentile(&taken, 99));
            }
        }
        // Of the rounds the median, so that a moment in which the machine did something else does not decide.
        for (name, [ours, plainest], bound) in
            [("p50", p50, bounds::P50_US), ("p99", p99, bounds::P99_US)]
        {
            let what = format!("latency {name} at {LATENCY_PER_SECOND} messages/s");
            let (ours, plainest) = (median(&ours), median(&plainest));
            self.report
                .add(beside_floor(&what, "us", ours, plainest, bound));
        }
        Ok(())
    }

    /// RC2/128 between the clients and no TLS, against TLS and no cipher between the clients.
    async fn legacy(&mut self, isochron: &Server) -> Result<()> {
        let size = THOUSAND.min(self.sessions);
        let count = self.messages_each_round();
        let secure = self.plan(isochron, Speaks::Sametime);
        let legacy = Plan {
            tls: None,
            offer: Offer::Rc2_128,
            ..secure.clone()
        };
        let (mut with_tls, mut without) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds() {
            for (plan, taken) in [(&secure, &mut with_tls), (&legacy, &mut without)] {
                let mut fleet = fleet(isochron, plan, size).await?;
                fleet.converse(DEADLINE).await?;
                // Warms up.
                fleet.messages(size, MESSAGES_IN_FLIGHT, DEADLINE).await?;
                taken.push(messages(isochron, &mut fleet, count).await?.0);
                cut(isochron, fleet).await?;
            }
        }
        let (with_tls, without) = (median(&with_tls), median(&without));
        let mut row = beside_itself(
            "message, RC2/128 in the clear",
            "TLS",
            without / with_tls,
            bounds::LEGACY,
        );
        row.measured = format!("{without:.1} us (TLS {with_tls:.1} us)");
        self.report.add(row);
        Ok(())
    }
}

/// Logs `size` sessions in and cuts them again: the server's microseconds for a login, and logins per second.
async fn logins(
    server: &Server,
    plan: &Plan,
    size: usize,
    contacts: Contacts,
) -> Result<(f64, f64)> {
    let mut fleet = Fleet::new(plan, size, contacts).await?;
    let (cpu, wall) = cost(server.process, async {
        let wall = fleet
            .login(0..size, LOGINS_AT_ONCE, DEADLINE)
            .await?
            .all_in()?;
        server.process.quiet(DEADLINE).await?;
        Ok(wall)
    })
    .await?;
    cut(server, fleet).await?;
    Ok((microseconds_each(cpu, size), per_second(size, wall)))
}

/// Sends `count` messages: the server's microseconds for each, and messages per second.
pub(crate) async fn messages(
    server: &Server,
    fleet: &mut Fleet,
    count: usize,
) -> Result<(f64, f64)> {
    let work = fleet.messages(count, MESSAGES_IN_FLIGHT, DEADLINE);
    let (cpu, wall) = cost(server.process, work).await?;
    Ok((microseconds_each(cpu, count), per_second(count, wall)))
}

/// Changes status `count` times: the server's microseconds for each watcher, and deliveries per second.
async fn changes(busy: &mut Busy, count: usize) -> Result<(f64, f64)> {
    let work = busy.fleet.changes(count, CHANGES_IN_FLIGHT, DEADLINE);
    let (cpu, wall) = cost(busy.server.process, work).await?;
    let delivered = count * CONTACTS;
    Ok((
        microseconds_each(cpu, delivered),
        per_second(delivered, wall),
    ))
}
