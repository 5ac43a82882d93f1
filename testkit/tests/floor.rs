//! The load generator against its own floor: what is counted has really arrived.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;
use testkit::fleet::{Contacts, Fleet};
use testkit::server::Server;
use testkit::session::{Plan, Speaks};
use testkit::tls;
use tokio::time::Instant;
use wire::client::Offer;

const SESSIONS: usize = 40;
const DEADLINE: Duration = Duration::from_secs(60);

async fn fleet(server: &Server, speaks: Speaks) -> Fleet {
    let plan = Plan {
        address: server.address,
        speaks,
        tls: (speaks != Speaks::Echo).then(|| tls::whatever_the_certificate().unwrap()),
        offer: Offer::None,
        people: SESSIONS,
        epoch: Instant::now(),
    };
    let mut fleet = Fleet::new(&plan, SESSIONS, Contacts::Ring).await.unwrap();
    let logins = fleet.login(0..SESSIONS, 8, DEADLINE).await.unwrap();
    assert_eq!(logins.refused, [""; 0]);
    fleet
}

async fn start(echo: bool) -> Server {
    Server::floor(Path::new(env!("CARGO_BIN_EXE_floor")), echo)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_floor_delivers_messages_and_changes_to_those_who_came_back_too() {
    let server = start(false).await;
    for _ in 0..2 {
        let mut fleet = fleet(&server, Speaks::Floor).await;
        server.process.quiet(DEADLINE).await.unwrap();
        fleet.settle().unwrap();
        fleet.converse(DEADLINE).await.unwrap();
        fleet.messages(500, 16, DEADLINE).await.unwrap();
        fleet.changes(100, 4, DEADLINE).await.unwrap();
        let taken = fleet.latencies(200, 1, DEADLINE).await.unwrap();
        assert_eq!(taken.len(), 200);
        assert!(taken.iter().all(|microseconds| *microseconds > 0.0));
        fleet.cut().await.unwrap();
        server.process.quiet(DEADLINE).await.unwrap();
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn the_echo_returns_every_message() {
    let server = start(true).await;
    let mut fleet = fleet(&server, Speaks::Echo).await;
    fleet.messages(500, 16, DEADLINE).await.unwrap();
    fleet.cut().await.unwrap();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_ends_is_an_error_and_not_a_figure() {
    let server = start(false).await;
    let mut fleet = fleet(&server, Speaks::Floor).await;
    fleet.converse(DEADLINE).await.unwrap();
    server.stop().await.unwrap();
    let error = fleet.messages(500, 16, DEADLINE).await.unwrap_err();
    assert!(format!("{error:#}").contains("ended"), "{error:#}");
}

#[test]
fn the_floor_is_plain_enough_to_be_one() {
    let lines = include_str!("../src/bin/floor.rs").lines().count();
    assert!(
        lines <= 300,
        "{lines} lines; `docs/performance.md` promises at most 300"
    );
}
