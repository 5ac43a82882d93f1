//! What two people do with their desktop clients, judged by libmeanwhile.
//!
//! Every scenario is written once and plays on three grounds: clients without TLS on a legacy port, legacy
//! and TLS clients talking to each other through one port, and TLS clients on a port that takes nothing
//! else. The library knows no TLS; a tunnel stands between.

#![allow(clippy::expect_used, reason = "a test may end by panicking anywhere")]

use isochron_tests::client::reason;
use isochron_tests::code::*;
use isochron_tests::world::{Ground, LEGACY, MIXED, STRICT_TLS};
use isochron_tests::{Client, World};

/// Each scenario with the settings that it needs; from it come three tests.
macro_rules! scenarios {
    ($($scenario:ident $settings:expr;)*) => {
        scenarios!(on legacy LEGACY; $($scenario $settings;)*);
        scenarios!(on mixed MIXED; $($scenario $settings;)*);
        scenarios!(on strict_tls STRICT_TLS; $($scenario $settings;)*);
    };
    (on $module:ident $ground:ident; $($scenario:ident $settings:expr;)*) => {
        mod $module {
            use super::*;
            $(#[test]
            fn $scenario() {
                play($ground, $settings, super::$scenario);
            })*
        }
    };
}

fn play(ground: Ground, settings: &[(&str, &str, &str)], scenario: fn(&mut World)) {
    let mut world = World::new(ground, settings);
    scenario(&mut world);
    world.end();
}

const TAKE_RC2_40: (&str, &str, &str) = ("Isochron", "WEAKEST_AUTHENTICATION", "rc2_40");
const SINGLE_LOGIN: (&str, &str, &str) = ("Config", "VP_ONLY_SINGLE_LOGIN_ALLOWED", "1");

scenarios! {
    login_right_and_wrong &[];
    weak_authentication_is_refused_by_default &[];
    weak_authentication_where_the_settings_take_it &[TAKE_RC2_40];
    an_old_client_logs_in &[];
    presence_comes_changes_and_goes &[];
    presence_of_a_group &[];
    attributes_reach_those_who_watch_them &[];
    chat_in_clear &[];
    chat_with_rc2_40 &[];
    chat_with_rc2_128 &[];
    chat_falls_back_to_plain_text &[];
    chat_is_refused &[];
    chat_ends_with_the_connection &[];
    resolve_names &[];
    contact_list_survives_a_restart &[];
    privacy_both_ways &[];
    announcement_to_users_and_groups &[];
    two_logins_of_one_user &[];
    a_newer_login_takes_over &[SINGLE_LOGIN];
    the_server_stops &[];
    an_administrator_ends_a_login &[];
    services_that_are_not_served &[];
    keep_alive_and_sense &[];
}

fn login_right_and_wrong(world: &mut World) {
    let mut alice = world.client("alice");
    let started = alice.login();
    assert_eq!(started.get("user"), "alice");
    assert_eq!(started.get("name"), "Alice Example");
    // A community name would make replies of Pidgin open a second channel.
    assert_eq!(started.get("community"), "");
    assert!(
        started.get("login").len() >= 5,
        "the login id is a key for RC2/40"
    );

    world
        .client_with_password("bob", "not-bobs-secret")
        .login_refused(INCORRECT_LOGIN);
    world
        .client_with_password("bob", "")
        .login_refused(INCORRECT_LOGIN);
    world
        .client_with_password("nobody", "alice-secret")
        .login_refused(INCORRECT_LOGIN);
    // Name and mail are login names too, and the unique id is what the client gets.
    let mut carol = world.client_with_password("carol@example.com", "carol-secret");
    assert_eq!(carol.login().get("user"), "carol");

    alice.fence();
    world.server.wait_closed("wrong_login", 3);
    alice.logout();
    world.server.wait_closed("logout", 1);
}

fn weak_authentication_is_refused_by_default(world: &mut World) {
    let mut alice = world.client("alice");
    alice.tell(&["auth", "rc2-40"]);
    alice.login_refused(ENCRYPT_MISMATCH);
    world.server.wait_closed("auth_type_refused", 1);
}

fn weak_authentication_where_the_settings_take_it(world: &mut World) {
    let mut alice = world.client("alice");
    alice.tell(&["auth", "rc2-40"]);
    alice.login();
    let mut bob = world.login("bob");
    alice.open("bob");
    alice.text(&mut bob, "logged in with the old proof");

    let mut carol = world.client_with_password("carol", "wrong");
    carol.tell(&["auth", "rc2-40"]);
    carol.login_refused(INCORRECT_LOGIN);
}

fn an_old_client_logs_in(world: &mut World) {
    let mut alice = world.client("alice");
    // Version 0x001e.0x0018, the program that the official Windows client says it is.
    alice.tell(&["client", "0x18", "0x1002"]);
    alice.login();
    alice.watch("alice", "active");
}

fn presence_comes_changes_and_goes(world: &mut World) {
    let mut alice = world.login("alice");
    alice.watch("bob", "offline");
    alice.watch("nobody-of-that-name", "offline");

    let mut bob = world.login("bob");
    let seen = alice.expect(&["aware", "user=bob", "status=active"]);
    assert_eq!(seen.get("name"), "Bob Example");
    bob.watch("alice", "active");

    for (status, text) in [
        ("away", "at lunch"),
        ("busy", "do not disturb"),
        ("idle", ""),
        ("active", "zurück: 100 %"),
    ] {
        bob.tell(&["status", status, text]);
        bob.expect(&[
            "own-status",
            &format!("status={status}"),
            &format!("text={text}"),
        ]);
        alice.expect(&[
            "aware",
            "user=bob",
            &format!("status={status}"),
            &format!("text={text}"),
        ]);
    }

    // Who appears offline is offline to others, and logged in all the same.
    bob.tell(&["status", "offline"]);
    alice.expect_status("bob", "offline");
    bob.tell(&["status", "active"]);
    alice.expect_status("bob", "active");

    alice.tell(&["unwatch", "bob"]);
    alice.fence();
    bob.tell(&["status", "away"]);
    bob.expect(&["own-status", "status=away"]);
    bob.fence();
    alice.expect_none(&["aware", "user=bob", "status=away"]);
    alice.watch("bob", "away");

    bob.logout();
    alice.expect_status("bob", "offline");
    // A stream that ends without a logout is the same to others.
    let mut bob = world.login("bob");
    alice.expect_status("bob", "active");
    bob.tell(&["drop"]);
    alice.expect_status("bob", "offline");
}

fn presence_of_a_group(world: &mut World) {
    let mut bob = world.login("bob");
    let mut carol = world.login("carol");
    // The members are learnt from the server; the library then watches each of them.
    carol.tell(&["watch-group", "staff"]);
    carol.expect_status("bob", "active");
    carol.expect_status("alice", "offline");
    let _alice = world.login("alice");
    carol.expect_status("alice", "active");
    bob.tell(&["status", "busy"]);
    carol.expect_status("bob", "busy");
}

fn attributes_reach_those_who_watch_them(world: &mut World) {
    let mut alice = world.login("alice");
    let mut bob = world.login("bob");
    bob.tell(&["attribute-set", "0x6", "yes"]);
    bob.fence();
    alice.tell(&["attribute-watch", "0x6"]);
    alice.watch("bob", "active");
    // "yes", as bytes.
    alice.expect(&["attribute", "user=bob", "key=0x6", "value=796573"]);
    bob.tell(&["attribute-set", "0x6", "no"]);
    alice.expect(&["attribute", "user=bob", "key=0x6", "value=6e6f"]);
    bob.tell(&["attribute-unset", "0x6"]);
    alice.expect(&["attribute", "user=bob", "key=0x6", "value="]);
    bob.tell(&["attribute-set", "0x2", "not watched"]);
    bob.fence();
    alice.expect_none(&["attribute", "user=bob", "key=0x2"]);
}

fn chat_in_clear(world: &mut World) {
    chat(world, &[], "none");
}

fn chat_with_rc2_40(world: &mut World) {
    chat(world, &["rc2-40"], "rc2-40");
}

fn chat_with_rc2_128(world: &mut World) {
    chat(world, &["rc2-40", "rc2-128"], "rc2-128");
}

/// Everything that fits into a conversation, both ways, with the cipher that both clients have.
fn chat(world: &mut World, ciphers: &[&str], chosen: &str) {
    let mut alice = world.client("alice");
    let mut bob = world.client("bob");
    let command: Vec<&str> = ["ciphers"].iter().chain(ciphers).copied().collect();
    for client in [&mut alice, &mut bob] {
        client.tell(&command);
        client.login();
    }

    let opened = alice.open("bob");
    assert_eq!(opened.get("cipher"), chosen);
    assert_eq!(opened.get("rich"), "yes");
    bob.expect(&["im-opened", "with=alice", &format!("cipher={chosen}")]);

    say_everything(&mut alice, "alice", &mut bob, "bob");
    say_everything(&mut bob, "bob", &mut alice, "alice");

    alice.tell(&["close", "bob"]);
    bob.expect(&["im-closed", "with=alice", &reason(SUCCESS)]);
    // The next conversation may be opened by the other side.
    bob.open("alice");
    bob.text(&mut alice, "once more");
}

fn say_everything(sender: &mut Client, from: &str, receiver: &mut Client, to: &str) {
    let from = format!("from={from}");
    sender.text(receiver, "hello, grüße: äöü € 日本");
    for on in ["yes", "no"] {
        sender.tell(&["typing", to, on]);
        receiver.expect(&["typing", &from, &format!("on={on}")]);
    }
    let long = format!(
        "<p>{}</p>",
        "a long text, cut into pieces of 2048 bytes; ".repeat(400)
    );
    let mime = "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=x\r\n\r\n--x--\r\n";
    // The longest text there is fits into one string of the protocol.
    let longest = "x".repeat(60_000);
    for (what, text) in [
        ("subject", "the topic"),
        ("html", "<b>bold</b> &amp; <i>grün</i>"),
        ("html", &long),
        ("mime", mime),
        ("text", &longest),
    ] {
        sender.tell(&[what, to, text]);
        receiver.expect(&[what, &from, &format!("text={text}")]);
    }
}

fn chat_falls_back_to_plain_text(world: &mut World) {
    let mut alice = world.login("alice");
    let mut bob = world.client("bob");
    bob.tell(&["features", "plain"]);
    bob.login();
    // Bob's client refuses the rich channel; the reason must reach alice's, which then asks for a plain one.
    let opened = alice.open("bob");
    assert_eq!(opened.get("rich"), "no");
    alice.text(&mut bob, "plain, please");
}

fn chat_is_refused(world: &mut World) {
    let mut alice = world.login("alice");
    alice.open_refused("nobody", NO_USER);
    alice.open_refused("bob", NO_USER);
    let mut bob = world.login("bob");
    bob.tell(&["status", "busy", "no"]);
    bob.expect(&["own-status", "status=busy"]);
    alice.open_refused("bob", CLIENT_USER_DND);
    bob.tell(&["status", "active"]);
    bob.expect(&["own-status", "status=active"]);
    alice.open("bob");
    alice.text(&mut bob, "now");
}

fn chat_ends_with_the_connection(world: &mut World) {
    let mut alice = world.login("alice");
    let mut bob = world.login("bob");
    alice.open("bob");
    bob.expect(&["im-opened", "with=alice"]);
    bob.tell(&["drop"]);
    alice.expect(&["im-closed", "with=bob", &reason(CHANNEL_DESTROYED)]);
}

fn resolve_names(world: &mut World) {
    const USERS: &str = "0x8";
    const GROUPS: &str = "0x10";
    let mut alice = world.login("alice");

    for exact in ["bob", "bob@example.com", "Bob Example"] {
        alice.tell(&["resolve", "0xa", exact]);
        alice.expect(&[
            "match",
            &format!("query={exact}"),
            "id=bob",
            "name=Bob Example",
            "kind=user",
        ]);
        alice.expect(&[
            "resolved",
            &format!("query={exact}"),
            "code=0x0",
            "matches=1",
        ]);
        alice.expect(&["resolve-done", "code=0x0"]);
    }

    // The beginning of a word of the name; all that match.
    alice.tell(&["resolve", USERS, "exam"]);
    alice.expect(&["resolved", "query=exam", "code=0x0", "matches=3"]);

    alice.tell(&["resolve", USERS, "nobody"]);
    alice.expect(&[
        "resolved",
        "query=nobody",
        &format!("code={NO_ELEMENT:#x}"),
        "matches=0",
    ]);
    alice.expect(&["resolve-done", &format!("code={NO_ELEMENT:#x}")]);

    // Several questions at once: a result for each, and an overall code that says "some".
    alice.tell(&["resolve", USERS, "carol", "nobody"]);
    alice.expect(&["resolved", "query=carol", "code=0x0", "matches=1"]);
    alice.expect(&["resolved", "query=nobody", "matches=0"]);
    alice.expect(&["resolve-done", "code=0x10000"]);

    alice.tell(&["resolve", GROUPS, "staff"]);
    alice.expect(&["match", "query=staff", "id=staff", "kind=group"]);
    alice.tell(&["resolve", USERS, "staff"]);
    alice.expect(&["resolved", "query=staff", "matches=0"]);
}

fn contact_list_survives_a_restart(world: &mut World) {
    let mut alice = world.login("alice");
    // Never "success and empty": chat programs would then delete the contacts they have.
    alice.tell(&["load-contacts"]);
    alice.expect(&["contacts", &format!("result={NO_ELEMENT:#x}")]);

    alice.tell(&["save-contacts", "Work", "bob", "carol"]);
    alice.expect(&["saved", "key=0x0", "result=0x0"]);
    alice.tell(&["save", "0x50", "out;lunch; grüße"]);
    alice.expect(&["saved", "key=0x50", "result=0x0"]);
    alice.tell(&["save", "0x5a", "first"]);
    alice.expect(&["saved", "key=0x5a", "result=0x0"]);
    alice.tell(&["save", "0x5a", "second"]);
    alice.expect(&["saved", "key=0x5a", "result=0x0"]);

    world.restart(&mut [&mut alice]);

    let mut alice = world.login("alice");
    alice.tell(&["load-contacts"]);
    alice.expect(&["contact", "group=Work", "user=bob", "alias=bob"]);
    alice.expect(&["contact", "group=Work", "user=carol"]);
    alice.expect(&["contacts", "result=0x0"]);
    alice.tell(&["load", "0x50"]);
    alice.expect(&["loaded", "key=0x50", "result=0x0", "text=out;lunch; grüße"]);
    alice.tell(&["load", "0x5a"]);
    alice.expect(&["loaded", "key=0x5a", "result=0x0", "text=second"]);

    // It belongs to the user: another one sees nothing of it.
    let mut bob = world.login("bob");
    bob.tell(&["load", "0x50"]);
    bob.expect(&["loaded", "key=0x50", &format!("result={NO_ELEMENT:#x}")]);
}

fn privacy_both_ways(world: &mut World) {
    let mut alice = world.login("alice");
    let mut carol = world.login("carol");
    let mut bob = world.login("bob");
    for watcher in [&mut alice, &mut carol] {
        watcher.watch("bob", "active");
    }

    // Everybody but alice: to her he is away from everything, to carol nothing has changed.
    bob.tell(&["privacy", "deny", "alice"]);
    bob.expect(&["privacy", "deny=yes", "count=1", "user=alice"]);
    alice.expect_status("bob", "offline");
    alice.open_refused("bob", NO_USER);
    bob.tell(&["status", "away", "alice may not know"]);
    carol.expect_status("bob", "away");
    alice.expect_none(&["aware", "user=bob", "status=away"]);

    // Only alice.
    bob.tell(&["privacy", "allow", "alice"]);
    bob.expect(&["privacy", "deny=no", "count=1", "user=alice"]);
    alice.expect_status("bob", "away");
    carol.expect_status("bob", "offline");
    carol.open_refused("bob", NO_USER);

    // The list is kept, and the client is told of it when it comes back.
    world.restart(&mut [&mut alice, &mut bob, &mut carol]);
    let mut bob = world.login("bob");
    bob.expect(&["privacy", "deny=no", "count=1", "user=alice"]);
    let mut carol = world.login("carol");
    carol.watch("bob", "offline");
    let mut alice = world.login("alice");
    alice.watch("bob", "active");

    // Nobody, then everybody.
    bob.tell(&["privacy", "allow"]);
    alice.expect_status("bob", "offline");
    bob.tell(&["privacy", "deny"]);
    alice.expect_status("bob", "active");
    carol.expect_status("bob", "active");
    carol.open("bob");
    carol.text(&mut bob, "there you are");
}

fn announcement_to_users_and_groups(world: &mut World) {
    let mut alice = world.login("alice");
    let mut bob = world.login("bob");
    let mut carol = world.login("carol");
    let mut dave = world.login("dave");

    alice.tell(&["announce", "hear ye", "@U bob"]);
    bob.expect(&["announce", "from=alice", "text=hear ye", "reply=yes"]);
    // Sales is bob and carol; bob, named twice, gets it once; people who are not there are passed over.
    alice.tell(&[
        "announce",
        "sales meeting",
        "@G sales",
        "@U bob",
        "@U nobody",
    ]);
    bob.expect(&["announce", "from=alice", "text=sales meeting"]);
    carol.expect(&["announce", "from=alice", "text=sales meeting"]);

    alice.tell(&["announce", "the last", "@U bob", "@U dave"]);
    dave.expect(&["announce", "from=alice", "text=the last"]);
    // Had bob got it twice, or dave the one for sales, it would have come before this.
    bob.expect(&["announce", "from=alice"]);
    bob.expect_none(&["announce"]);
    dave.expect_none(&["announce"]);
}

fn two_logins_of_one_user(world: &mut World) {
    let mut alice = world.login("alice");
    alice.watch("bob", "offline");
    let mut first = world.login("bob");
    alice.expect_status("bob", "active");
    first.tell(&["status", "away", "desk"]);
    alice.expect_status("bob", "away");

    // The most present one counts.
    let mut second = world.login("bob");
    alice.expect_status("bob", "active");
    second.tell(&["status", "busy", "phone"]);
    alice.expect(&["aware", "user=bob", "status=busy", "text=phone"]);

    // A message rings where bob was active last.
    first.tell(&["status", "active"]);
    alice.expect_status("bob", "active");
    alice.open("bob");
    alice.text(&mut first, "at your desk?");
    second.expect_none(&["text"]);

    // The list of one is the list of both.
    second.tell(&["privacy", "deny", "dave"]);
    for login in [&mut first, &mut second] {
        login.expect(&["privacy", "deny=yes", "count=1", "user=dave"]);
    }

    first.logout();
    alice.expect_status("bob", "busy");
    second.logout();
    alice.expect_status("bob", "offline");
}

fn a_newer_login_takes_over(world: &mut World) {
    let mut alice = world.login("alice");
    let mut first = world.login("bob");
    alice.watch("bob", "active");
    let mut second = world.login("bob");
    // Any other failure would make chat programs come back at once, and the two would fight.
    first.expect_stopped(MULTI_SERVER_LOGIN);
    world.server.wait_closed("superseded", 1);
    alice.open("bob");
    alice.text(&mut second, "the new one");
}

fn the_server_stops(world: &mut World) {
    let mut alice = world.login("alice");
    let mut bob = world.login("bob");
    world.server.terminate();
    // A code with which chat programs come back by themselves.
    alice.expect_stopped(CONNECTION_CLOSED);
    bob.expect_stopped(CONNECTION_CLOSED);
    // Its exit status is checked at the end of every scenario.
}

fn an_administrator_ends_a_login(world: &mut World) {
    let mut alice = world.client("alice");
    let login = alice.login().get("login").to_owned();
    let mut bob = world.login("bob");
    bob.watch("alice", "active");

    let listed = world.server.command_output(&["sessions"]);
    assert!(
        listed.contains(&login) && listed.contains("bob"),
        "{listed}"
    );
    let _ = world.server.command_output(&["sessions", "end", &login]);
    alice.expect_stopped(USER_REMOVED);
    bob.expect_status("alice", "offline");
    world.server.wait_closed("ended_by_admin", 1);

    let unknown = world.server.command(&["sessions", "end", &login]);
    assert!(
        !unknown.status.success(),
        "a session that is not there cannot be ended"
    );
}

fn services_that_are_not_served(world: &mut World) {
    let mut alice = world.login("alice");
    let mut bob = world.login("bob");
    alice.tell(&["conference", "Planning"]);
    alice.expect(&[
        "conference-closed",
        "title=Planning",
        &reason(SERVICE_NO_SUPPORT),
    ]);
    alice.tell(&["place", "room"]);
    alice.expect(&["place-closed", "name=room", &reason(SERVICE_NO_SUPPORT)]);
    alice.tell(&["file", "bob", "note.txt", "5000"]);
    alice.expect(&["file-closed", "with=bob", &reason(SERVICE_NO_SUPPORT)]);
    bob.expect_none(&["file-offered"]);
    // Still there, and still served.
    alice.open("bob");
    alice.text(&mut bob, "then let us just talk");
}

fn keep_alive_and_sense(world: &mut World) {
    let mut alice = world.login("alice");
    for _ in 0..3 {
        alice.tell(&["keepalive"]);
    }
    // Services that run, one that does not, one that nobody knows: no harm in asking.
    for service in ["0x11", "0x18", "0x80000010", "0x12345"] {
        alice.tell(&["sense", service]);
    }
    alice.fence();
    alice.watch("alice", "active");
}

/// On a port for legacy and TLS clients the administrator sees who comes how.
#[test]
fn sessions_are_listed_by_transport() {
    let mut world = World::new(MIXED, &[TAKE_RC2_40]);
    let mut alice = world.login("alice");
    let mut bob = world.login("bob");
    let mut carol = world.client("carol");
    carol.tell(&["auth", "rc2-40"]);
    carol.login();

    let listed = world.server.command_output(&["sessions"]);
    for (user, transport) in [
        ("alice", "legacy-rc2-128"),
        ("bob", "tls1.2"),
        ("carol", "legacy-rc2-40"),
    ] {
        let line = listed
            .lines()
            .find(|line| line.split_whitespace().any(|word| word == user));
        assert!(
            line.is_some_and(|line| line.contains(transport)),
            "{user} by {transport}:\n{listed}"
        );
    }
    let without_tls = world.server.command_output(&["sessions", "--without-tls"]);
    assert!(
        without_tls.contains("alice") && without_tls.contains("carol"),
        "{without_tls}"
    );
    assert!(
        !without_tls
            .lines()
            .any(|line| line.split_whitespace().any(|word| word == "bob")),
        "{without_tls}"
    );

    for client in [&mut alice, &mut bob, &mut carol] {
        client.fence();
    }
    world.end();
}

/// On two ports, the same clients meet each other.
#[test]
fn legacy_and_tls_on_two_ports() {
    use isochron_tests::{Ports, Server, Tunnel, password_of};
    let mut server = Server::start(Ports::Two, &[]);
    let tunnel = Tunnel::to(server.tls_port());
    let mut alice = Client::new(
        "127.0.0.1",
        server.legacy_port(),
        "alice",
        &password_of("alice"),
    );
    let mut bob = Client::new("127.0.0.1", tunnel.port(), "bob", &password_of("bob"));
    alice.login();
    bob.login();
    alice.open("bob");
    alice.text(&mut bob, "hello over there");
    bob.text(&mut alice, "hello");
    server.stop();
}

/// Strict TLS: a legacy client is closed without a byte, and counted; TLS clients do not notice.
#[test]
fn strict_tls_refuses_legacy_clients() {
    let mut world = World::new(STRICT_TLS, &[]);
    let mut bob = world.login("bob");
    for count in 1..=3 {
        let port = world.server.legacy_port();
        let mut alice = Client::new(
            "127.0.0.1",
            port,
            "alice",
            &isochron_tests::password_of("alice"),
        );
        alice.tell(&["login"]);
        alice.expect(&["stream-end", "bytes=0"]);
        world.server.wait_closed("legacy_refused", count);
    }
    bob.fence();
    world.end();
}
