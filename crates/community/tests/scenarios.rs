//! People at the community, in memory: real logins, real store, no network.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use community::{Community, Options};
use config::Pii;
use identity::{Directory, HashedPassword, HashedPerson};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use wire::client::{Client, ClientConfig, Event, Offer, Said};
use wire::link::{Opened, Transport};
use wire::message::{ChannelCreate, ChannelSend, IdBlock, Message};
use wire::server::AuthType;
use wire::service::awareness::AwareId;
use wire::service::im::features;
use wire::{ChannelId, CloseReason, ReturnCode, ServiceId, Status};

/// How long anything may take before a test gives up; far more than it needs.
const DEADLINE: Duration = Duration::from_secs(30);
const PASSWORD: &str = "right horse";

/// A community of alice, bob, carol and dave; alice and bob are the group "staff".
struct House {
    community: Community,
    directory: Directory,
    store: Store,
    dir: PathBuf,
}

impl House {
    async fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("isochron-community-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        Self::open(dir, false).await
    }

    async fn open(dir: PathBuf, single_login: bool) -> Self {
        let store = Store::open(&dir).unwrap();
        let directory = Directory::open(store.clone()).await.unwrap();
        if directory.people().is_empty() {
            let hash = HashedPassword::of(PASSWORD.as_bytes()).unwrap();
            let person = |id: &str, groups: &[&str]| HashedPerson {
                id: id.to_owned(),
                name: format!("{id} example"),
                mail: format!("{id}@example.com"),
                password: Some(hash.clone()),
                groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            };
            let people = ["alice", "bob"].map(|id| person(id, &["staff"]));
            let others = ["carol", "dave"].map(|id| person(id, &[]));
            directory
                .import(people.into_iter().chain(others).collect())
                .await
                .unwrap();
        }
        let options = Options {
            community_id: Some("example.com".to_owned()),
            server_id: "test.example.com".to_owned(),
            weakest_auth: AuthType::Rc2_128,
            single_login,
            login_deadline: Duration::from_secs(30),
            pii: Pii::new(true),
        };
        let community = Community::new(options, directory.clone(), store.clone());
        Self {
            community,
            directory,
            store,
            dir,
        }
    }

    /// Connects without logging in.
    fn connect(&self, name: &str, password: &str) -> Guest {
        let (near, far) = duplex(4096);
        let opened = Opened {
            conn: 1,
            peer: "192.0.2.1:40000".parse().unwrap(),
            transport: Transport::Clear,
        };
        let served = tokio::spawn(self.community.serve(far, opened));
        let client = Client::new(ClientConfig::new(name, password), &mut rand::rng());
        Guest {
            client,
            stream: near,
            events: Vec::new(),
            served,
        }
    }

    /// Logs in and waits until all services are open.
    async fn login(&self, name: &str) -> Guest {
        let mut guest = self.connect(name, PASSWORD);
        guest.start().await;
        guest.until(|event| matches!(event, Event::LoggedIn)).await;
        for _ in 0..3 {
            guest
                .until(|event| matches!(event, Event::ServiceOpened(_)))
                .await;
        }
        guest
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A client and its connection.
struct Guest {
    client: Client,
    stream: DuplexStream,
    events: Vec<Event>,
    served: JoinHandle<CloseReason>,
}

impl Guest {
    async fn start(&mut self) {
        self.say(|client, out| client.start(out)).await;
    }

    /// Lets the client write something.
    async fn say<T>(&mut self, say: impl FnOnce(&mut Client, &mut Vec<u8>) -> T) -> T {
        let mut out = Vec::new();
        let result = say(&mut self.client, &mut out);
        self.stream.write_all(&out).await.unwrap();
        result
    }

    /// Sends a message that the client half would not.
    async fn force(&mut self, message: &Message<'_>) {
        let mut out = Vec::new();
        message.encode(&mut out);
        self.stream.write_all(&out).await.unwrap();
    }

    /// Waits for an event; those before it are passed over.
    async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        let waiting = async {
            loop {
                while !self.events.is_empty() {
                    let event = self.events.remove(0);
                    if wanted(&event) {
                        return event;
                    }
                }
                let mut bytes = [0; 4096];
                let count = self.stream.read(&mut bytes).await.unwrap();
                assert_ne!(count, 0, "the server closed the stream");
                let mut out = Vec::new();
                self.client
                    .receive(&bytes[..count], &mut out, &mut self.events);
                self.stream.write_all(&out).await.unwrap();
            }
        };
        timeout(DEADLINE, waiting)
            .await
            .expect("the event did not come")
    }

    /// Waits for an answer that comes after everything sent before it, and looks at what came until then.
    async fn settle(&mut self) -> Vec<Event> {
        self.say(|client, out| client.sense(ServiceId::STORAGE, out))
            .await
            .unwrap();
        let mut seen = Vec::new();
        loop {
            let event = self.until(|_| true).await;
            if matches!(event, Event::Sensed(_)) {
                return seen;
            }
            seen.push(event);
        }
    }

    async fn watch(&mut self, users: &[&str]) {
        let ids: Vec<AwareId<'_>> = users
            .iter()
            .map(|user| AwareId::user((*user).into()))
            .collect();
        self.say(|client, out| client.watch(&ids, out))
            .await
            .unwrap();
    }

    /// Waits until `user` is seen with a status, `None` for away.
    async fn sees(&mut self, user: &str, status: Option<Status>) {
        let is_it = |presence: &wire::client::Presence| {
            presence.user == user && presence.online.as_ref().map(|o| o.status.status) == status
        };
        self.until(|event| match event {
            Event::Presence(presence) => is_it(presence),
            Event::Snapshot(list) => list.iter().any(is_it),
            _ => false,
        })
        .await;
    }

    /// Opens a conversation and waits for the other side's answer.
    async fn talk_to(&mut self, user: &str) -> ChannelId {
        let user = user.to_owned();
        self.say(|client, out| client.open_im(&user, features::RICH, Offer::None, out))
            .await
            .unwrap()
    }

    /// Accepts the next offer.
    async fn accept(&mut self) -> ChannelId {
        let offered = self
            .until(|event| matches!(event, Event::ImOffered { .. }))
            .await;
        let Event::ImOffered { channel, .. } = offered else {
            unreachable!()
        };
        self.say(|client, out| client.accept_im(channel, out))
            .await
            .unwrap();
        channel
    }

    async fn hears(&mut self, text: &str) {
        let wanted = Said::Text(text.to_owned());
        self.until(|event| matches!(event, Event::Im { said, .. } if *said == wanted))
            .await;
    }

    /// Waits for the server's word that the login is over, and for the reason that the server counts.
    async fn end_told(mut self) -> (ReturnCode, CloseReason) {
        let closed = self
            .until(|event| matches!(event, Event::Closed { .. }))
            .await;
        let Event::Closed { reason } = closed else {
            unreachable!()
        };
        drop(self.stream);
        (
            reason,
            timeout(DEADLINE, self.served).await.unwrap().unwrap(),
        )
    }

    /// Waits for the end of a channel.
    async fn channel_ends(&mut self, id: ChannelId) -> ReturnCode {
        let closed = self
            .until(|event| matches!(event, Event::ImClosed { channel, .. } if *channel == id))
            .await;
        let Event::ImClosed { reason, .. } = closed else {
            unreachable!()
        };
        reason
    }
}

#[tokio::test]
async fn a_right_password_logs_in_and_a_wrong_one_does_not() {
    let house = House::new().await;
    let alice = house.login("alice").await;
    assert_eq!(alice.client.me().unwrap().user_id, "alice");

    for (name, password) in [
        ("alice", "wrong"),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("alice", ""),
    ] {
        let mut guest = house.connect(name, password);
        guest.start().await;
        assert_eq!(
            guest.end_told().await,
            (ReturnCode::INCORRECT_LOGIN, CloseReason::WrongLogin)
        );
    }
}

#[tokio::test]
async fn a_mail_address_logs_in_as_the_canonical_user() {
    let house = House::new().await;
    let bob = house.login("bob@example.com").await;
    assert_eq!(bob.client.me().unwrap().user_id, "bob");
}

#[tokio::test]
async fn watchers_see_someone_come_change_and_go() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    alice.watch(&["bob", "nobody"]).await;
    alice.sees("bob", None).await;

    let mut bob = house.login("bob").await;
    alice.sees("bob", Some(Status::ACTIVE)).await;
    bob.say(|client, out| client.set_status(Status::AWAY, 0, "at lunch", out))
        .await
        .unwrap();
    alice.sees("bob", Some(Status::AWAY)).await;
    bob.say(|client, out| client.set_status(Status::OFFLINE, 0, "", out))
        .await
        .unwrap();
    alice.sees("bob", None).await;
    bob.say(|client, out| client.set_status(Status::ACTIVE, 0, "", out))
        .await
        .unwrap();
    alice.sees("bob", Some(Status::ACTIVE)).await;
    bob.say(|client, out| client.logout(out)).await;
    alice.sees("bob", None).await;
    assert_eq!(
        timeout(DEADLINE, bob.served).await.unwrap().unwrap(),
        CloseReason::Logout
    );
}

#[tokio::test]
async fn the_id_comes_back_as_it_was_written() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    alice.watch(&["BOB"]).await;
    alice.sees("BOB", None).await;
    let bob = house.login("bob").await;
    alice.sees("BOB", Some(Status::ACTIVE)).await;
    drop(bob);
    alice.sees("BOB", None).await;
}

#[tokio::test]
async fn of_several_logins_the_most_present_one_shows() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    alice.watch(&["bob"]).await;
    let mut desk = house.login("bob").await;
    alice.sees("bob", Some(Status::ACTIVE)).await;
    desk.say(|client, out| client.set_status(Status::AWAY, 0, "", out))
        .await
        .unwrap();
    alice.sees("bob", Some(Status::AWAY)).await;
    let phone = house.login("bob").await;
    alice.sees("bob", Some(Status::ACTIVE)).await;
    drop(phone);
    alice.sees("bob", Some(Status::AWAY)).await;
}

#[tokio::test]
async fn who_stopped_watching_hears_no_more() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    alice.watch(&["bob"]).await;
    alice
        .say(|client, out| client.unwatch(&[AwareId::user("bob".into())], out))
        .await
        .unwrap();
    alice.settle().await;
    let mut carol = house.login("carol").await;
    carol.watch(&["bob"]).await;
    let _bob = house.login("bob").await;
    carol.sees("bob", Some(Status::ACTIVE)).await;
    let seen = alice.settle().await;
    assert!(
        !seen.iter().any(|event| matches!(event, Event::Presence(_))),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_group_shows_its_members() {
    let house = House::new().await;
    let mut carol = house.login("carol").await;
    let _bob = house.login("bob").await;
    carol
        .say(|client, out| client.watch(&[AwareId::group("staff".into())], out))
        .await
        .unwrap();
    carol
        .until(|event| matches!(event, Event::Group { id } if id == "staff"))
        .await;
    let snapshot = carol
        .until(|event| matches!(event, Event::Snapshot(_)))
        .await;
    let Event::Snapshot(members) = snapshot else {
        unreachable!()
    };
    let mut members: Vec<(&str, &str, bool)> = members
        .iter()
        .map(|m| (m.user.as_str(), m.group.as_str(), m.online.is_some()))
        .collect();
    members.sort_unstable();
    assert_eq!(members, [("alice", "staff", false), ("bob", "staff", true)]);

    let group = house.directory.group(b"staff").unwrap();
    let grown = ["alice", "bob", "dave"].map(str::to_owned).to_vec();
    house
        .directory
        .put_group(&group.id, &group.name, grown)
        .await
        .unwrap();
    house.community.group_grew("staff", &["dave".to_owned()]);
    carol
        .until(
            |event| matches!(event, Event::Presence(p) if p.user == "dave" && p.group == "staff"),
        )
        .await;
}

#[tokio::test]
async fn attributes_reach_those_who_watch_them() {
    const RECEIVES_FILES: u32 = 6;
    let house = House::new().await;
    let mut bob = house.login("bob").await;
    bob.say(|client, out| client.set_attribute(RECEIVES_FILES, &[0, 1], out))
        .await
        .unwrap();
    let mut alice = house.login("alice").await;
    alice
        .say(|client, out| client.watch_attributes(&[RECEIVES_FILES], out))
        .await
        .unwrap();
    alice.watch(&["bob"]).await;
    let is = |wanted: Option<Vec<u8>>| {
        move |event: &Event| {
            matches!(event, Event::Attribute { user, key: RECEIVES_FILES, value }
                if user == "bob" && *value == wanted)
        }
    };
    alice.until(is(Some(vec![0, 1]))).await;
    bob.say(|client, out| client.unset_attribute(RECEIVES_FILES, out))
        .await
        .unwrap();
    alice.until(is(None)).await;
    bob.say(|client, out| client.set_attribute(RECEIVES_FILES, &[1], out))
        .await
        .unwrap();
    alice.until(is(Some(vec![1]))).await;
    drop(bob);
    alice.until(is(None)).await;
}

#[tokio::test]
async fn people_talk_with_every_cipher_and_none() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    let mut bob = house.login("bob").await;
    for offer in [Offer::None, Offer::Rc2_40, Offer::Rc2_128, Offer::Both] {
        let channel = alice
            .say(|client, out| client.open_im("bob", features::RICH, offer, out))
            .await
            .unwrap();
        let bobs = bob.accept().await;
        alice
            .until(|event| matches!(event, Event::ImOpened { .. }))
            .await;
        alice
            .say(|client, out| client.send_text(channel, "hello bob", out))
            .await
            .unwrap();
        bob.hears("hello bob").await;
        bob.say(|client, out| client.send_text(bobs, "hello alice", out))
            .await
            .unwrap();
        alice.hears("hello alice").await;
        alice
            .say(|client, out| client.send_typing(channel, true, out))
            .await
            .unwrap();
        bob.until(|event| {
            matches!(
                event,
                Event::Im {
                    said: Said::Typing(true),
                    ..
                }
            )
        })
        .await;
        let long = format!("<b>{}</b>", "x".repeat(5000));
        alice
            .say(|client, out| client.send_html(channel, &long, out))
            .await
            .unwrap();
        bob.until(
            |event| matches!(event, Event::Im { said: Said::Html(html), .. } if *html == long),
        )
        .await;
        alice
            .say(|client, out| client.close_im(channel, ReturnCode::SUCCESS, out))
            .await;
        assert_eq!(bob.channel_ends(bobs).await, ReturnCode::SUCCESS);
    }
}

#[tokio::test]
async fn what_is_sent_before_the_answer_arrives_after_it() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    let mut bob = house.login("bob").await;
    let channel = alice.talk_to("bob").await;
    for text in ["one", "two"] {
        let mut data = Vec::new();
        let kind = wire::service::im::ImMessage::Text(text.into()).encode(&mut data);
        let send = ChannelSend {
            channel,
            encrypted: false,
            kind,
            data: &data,
        };
        alice.force(&Message::ChannelSend(send)).await;
    }
    bob.accept().await;
    bob.hears("one").await;
    bob.hears("two").await;
}

#[tokio::test]
async fn too_much_before_the_answer_ends_the_conversation() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    let mut bob = house.login("bob").await;
    let channel = alice.talk_to("bob").await;
    let offered = bob
        .until(|event| matches!(event, Event::ImOffered { .. }))
        .await;
    let Event::ImOffered { channel: bobs, .. } = offered else {
        unreachable!()
    };
    for _ in 0..=community::limits::HELD_MESSAGES_MAX {
        let send = ChannelSend {
            channel,
            encrypted: false,
            kind: 0x64,
            data: b"data",
        };
        alice.force(&Message::ChannelSend(send)).await;
    }
    assert_eq!(alice.channel_ends(channel).await, ReturnCode::STARVING);
    assert_eq!(bob.channel_ends(bobs).await, ReturnCode::STARVING);
}

#[tokio::test]
async fn a_refusal_and_its_reason_pass_through() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    let mut bob = house.login("bob").await;
    let channel = alice.talk_to("bob").await;
    let offered = bob
        .until(|event| matches!(event, Event::ImOffered { .. }))
        .await;
    let Event::ImOffered { channel: bobs, .. } = offered else {
        unreachable!()
    };
    bob.say(|client, out| client.close_im(bobs, ReturnCode::CLIENT_USER_DND, out))
        .await;
    assert_eq!(
        alice.channel_ends(channel).await,
        ReturnCode::CLIENT_USER_DND
    );
}

#[tokio::test]
async fn nobody_is_reached_who_is_away_unknown_or_of_another_community() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    let mut carol = house.login("carol").await;
    carol
        .say(|client, out| client.set_status(Status::OFFLINE, 0, "", out))
        .await
        .unwrap();
    carol.settle().await;
    for user in ["bob", "nobody", "", "carol"] {
        let channel = alice.talk_to(user).await;
        assert_eq!(
            alice.channel_ends(channel).await,
            ReturnCode::NO_USER,
            "{user}"
        );
    }
}

#[tokio::test]
async fn a_partner_who_vanishes_ends_the_conversation() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    let mut bob = house.login("bob").await;
    let channel = alice.talk_to("bob").await;
    bob.accept().await;
    alice
        .until(|event| matches!(event, Event::ImOpened { .. }))
        .await;
    drop(bob);
    assert_eq!(
        alice.channel_ends(channel).await,
        ReturnCode::CHANNEL_DESTROYED
    );
}

#[tokio::test]
async fn one_may_talk_to_oneself() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    let channel = alice.talk_to("alice").await;
    alice.accept().await;
    alice
        .until(|event| matches!(event, Event::ImOpened { .. }))
        .await;
    alice
        .say(|client, out| client.send_text(channel, "note to self", out))
        .await
        .unwrap();
    alice.hears("note to self").await;
}

#[tokio::test]
async fn an_encrypted_message_that_would_crash_the_receiver_ends_the_channel() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    let mut bob = house.login("bob").await;
    for data in [&b""[..], &b"seven.."[..]] {
        let channel = alice.talk_to("bob").await;
        let bobs = bob.accept().await;
        alice
            .until(|event| matches!(event, Event::ImOpened { .. }))
            .await;
        let send = ChannelSend {
            channel,
            encrypted: true,
            kind: 0x64,
            data,
        };
        alice.force(&Message::ChannelSend(send)).await;
        assert_eq!(alice.channel_ends(channel).await, ReturnCode::BAD_DATA);
        assert_eq!(bob.channel_ends(bobs).await, ReturnCode::BAD_DATA);
    }
}

#[tokio::test]
async fn who_hides_is_away_for_those_they_hide_from() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    let mut bob = house.login("bob").await;
    alice.watch(&["bob"]).await;
    alice.sees("bob", Some(Status::ACTIVE)).await;

    bob.say(|client, out| client.set_privacy(true, &["alice"], out))
        .await
        .unwrap();
    alice.sees("bob", None).await;
    let channel = alice.talk_to("bob").await;
    assert_eq!(alice.channel_ends(channel).await, ReturnCode::NO_USER);

    // The list outlives the login.
    drop(bob);
    let mut bob = house.login("bob").await;
    let mut carol = house.login("carol").await;
    carol.watch(&["bob"]).await;
    carol.sees("bob", Some(Status::ACTIVE)).await;
    let seen = alice.settle().await;
    assert!(
        !seen.iter().any(|event| matches!(event, Event::Presence(_))),
        "{seen:?}"
    );

    bob.say(|client, out| client.set_privacy(false, &["alice"], out))
        .await
        .unwrap();
    alice.sees("bob", Some(Status::ACTIVE)).await;
    carol.sees("bob", None).await;
    bob.say(|client, out| client.set_privacy(true, &[], out))
        .await
        .unwrap();
    carol.sees("bob", Some(Status::ACTIVE)).await;
}

#[tokio::test]
async fn announcements_reach_people_and_group_members_once() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    let mut bob = house.login("bob").await;
    let mut carol = house.login("carol").await;
    let to = ["@U carol", "@U bob", "@G staff", "@U nobody", "nonsense"];
    alice
        .say(|client, out| client.announce("hear ye", true, &to, out))
        .await
        .unwrap();
    for guest in [&mut alice, &mut bob, &mut carol] {
        let heard = guest
            .until(|event| matches!(event, Event::Announcement { .. }))
            .await;
        let Event::Announcement {
            from,
            text,
            may_reply,
        } = heard
        else {
            unreachable!()
        };
        assert_eq!(
            (from.user_id.as_str(), text.as_str(), may_reply),
            ("alice", "hear ye", true)
        );
        let seen = guest.settle().await;
        assert!(
            !seen
                .iter()
                .any(|event| matches!(event, Event::Announcement { .. })),
            "{seen:?}"
        );
    }
}

#[tokio::test]
async fn names_are_found() {
    const USERS: u32 = wire::service::resolve::flags::USERS;
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    alice
        .say(|client, out| client.resolve(&["bob", "car", "zzz"], 0, out))
        .await
        .unwrap();
    let answer = alice
        .until(|event| matches!(event, Event::Resolved { .. }))
        .await;
    let Event::Resolved { results, .. } = answer else {
        unreachable!()
    };
    let found: Vec<(&str, ReturnCode, Option<&str>)> = results
        .iter()
        .map(|r| {
            (
                r.query.as_str(),
                r.code,
                r.matches.first().map(|m| m.id.as_str()),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("bob", ReturnCode::SUCCESS, Some("bob")),
            ("car", ReturnCode::SUCCESS, Some("carol")),
            ("zzz", ReturnCode::NO_ELEMENT, None),
        ]
    );
    alice
        .say(|client, out| client.resolve(&["staff"], USERS, out))
        .await
        .unwrap();
    let answer = alice
        .until(|event| matches!(event, Event::Resolved { .. }))
        .await;
    let Event::Resolved { code, .. } = answer else {
        unreachable!()
    };
    assert_eq!(code, ReturnCode::NO_ELEMENT);
}

#[tokio::test]
async fn what_was_never_saved_is_not_an_empty_success_and_what_was_saved_survives_a_restart() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    alice
        .say(|client, out| client.load(&[0], out))
        .await
        .unwrap();
    let answer = alice
        .until(|event| matches!(event, Event::Loaded { .. }))
        .await;
    assert!(
        matches!(
            answer,
            Event::Loaded {
                code: ReturnCode::NO_ELEMENT,
                ..
            }
        ),
        "{answer:?}"
    );
    alice
        .say(|client, out| client.save(0, b"contacts", out))
        .await
        .unwrap();
    alice
        .say(|client, out| client.load(&[0], out))
        .await
        .unwrap();
    let saved = alice
        .until(|event| matches!(event, Event::Saved { .. }))
        .await;
    assert!(
        matches!(
            saved,
            Event::Saved {
                code: ReturnCode::SUCCESS,
                ..
            }
        ),
        "{saved:?}"
    );
    let answer = alice
        .until(|event| matches!(event, Event::Loaded { .. }))
        .await;
    assert!(
        matches!(&answer, Event::Loaded { items, .. } if items[0].1 == b"contacts"),
        "{answer:?}"
    );
    alice
        .say(|client, out| client.save(0, &vec![0; 100 * 1024], out))
        .await
        .unwrap();
    let saved = alice
        .until(|event| matches!(event, Event::Saved { .. }))
        .await;
    assert!(
        matches!(
            saved,
            Event::Saved {
                code: ReturnCode::STARVING,
                ..
            }
        ),
        "{saved:?}"
    );

    house.community.stop();
    assert_eq!(
        alice.end_told().await,
        (ReturnCode::CONNECTION_CLOSED, CloseReason::ServerStopping)
    );
    house.store.clone().close().await.unwrap();
    let again = House::open(house.dir.clone(), false).await;
    let mut alice = again.login("alice").await;
    alice
        .say(|client, out| client.load(&[0], out))
        .await
        .unwrap();
    let answer = alice
        .until(|event| matches!(event, Event::Loaded { .. }))
        .await;
    assert!(
        matches!(&answer, Event::Loaded { items, .. } if items[0].1 == b"contacts"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_service_that_is_not_there_is_refused_and_the_client_stays() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    let frame = |id: u32, protocol: wire::id::Protocol| ChannelCreate {
        reserved: 0,
        channel: ChannelId(id),
        target: IdBlock::default(),
        protocol,
        options: 0,
        addtl: &[],
        creator: None,
        mode: 0,
        offer: None,
    };
    let conference = wire::id::Protocol {
        service: ServiceId::CONFERENCE,
        proto_type: 0x10,
        proto_ver: 2,
    };
    let old_im = wire::id::Protocol {
        proto_ver: 99,
        ..wire::id::Protocol::IM
    };
    let creates = [
        frame(900, conference),
        frame(901, old_im),
        frame(0x8000_0007, wire::id::Protocol::RESOLVE),
    ];
    for create in creates {
        alice.force(&Message::ChannelCreate(create)).await;
    }
    alice.settle().await;
    alice.watch(&["bob"]).await;
    alice.sees("bob", None).await;

    alice
        .force(&Message::ChannelCreate(frame(
            0,
            wire::id::Protocol::RESOLVE,
        )))
        .await;
    assert_eq!(
        alice.end_told().await,
        (ReturnCode::PROTOCOL_ERROR, CloseReason::ProtocolError)
    );
}

#[tokio::test]
async fn a_message_before_the_login_ends_the_connection() {
    let house = House::new().await;
    let mut guest = house.connect("alice", PASSWORD);
    guest
        .force(&Message::SenseService(ServiceId::STORAGE))
        .await;
    let mut bytes = Vec::new();
    timeout(DEADLINE, guest.stream.read_to_end(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    let mut expected = Vec::new();
    wire::server::put_close(&mut expected, CloseReason::NotLoggedIn);
    assert_eq!(bytes, expected);
}

#[tokio::test]
async fn an_administrator_ends_a_login() {
    let house = House::new().await;
    let alice = house.login("alice").await;
    let sessions = house.community.sessions();
    assert_eq!(sessions.len(), 1);
    assert_eq!(
        (sessions[0].user.as_str(), sessions[0].transport),
        ("alice", "legacy-rc2-128")
    );
    assert!(!house.community.end_session("nonsense"));
    assert!(house.community.end_session(&sessions[0].id));
    assert_eq!(
        alice.end_told().await,
        (ReturnCode::USER_REMOVED, CloseReason::EndedByAdmin)
    );
    assert!(house.community.sessions().is_empty());
}

#[tokio::test]
async fn with_single_login_the_newer_one_stays() {
    let house = House::new().await;
    let house = House::open(house.dir.clone(), true).await;
    let first = house.login("alice").await;
    let _second = house.login("alice").await;
    assert_eq!(
        first.end_told().await,
        (ReturnCode::MULTI_SERVER_LOGIN, CloseReason::Superseded)
    );
}

#[tokio::test(start_paused = true)]
async fn who_does_not_log_in_in_time_is_told_so() {
    let house = House::new().await;
    let mut guest = house.connect("alice", PASSWORD);
    let mut bytes = Vec::new();
    guest.stream.read_to_end(&mut bytes).await.unwrap();
    let mut expected = Vec::new();
    wire::server::put_close(&mut expected, CloseReason::LoginTimeout);
    assert_eq!(bytes, expected);
}

#[tokio::test]
async fn who_does_not_read_ends_as_a_slow_consumer_and_disturbs_nobody() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    let mut carol = house.login("carol").await;
    let mut bob = house.login("bob").await;
    let channel = alice.talk_to("bob").await;
    bob.accept().await;
    alice
        .until(|event| matches!(event, Event::ImOpened { .. }))
        .await;

    // Bob reads no more. Alice floods until the server stops reading from her, which is what slows a flood.
    let data = vec![0; 16 * 1024];
    let mut frame = Vec::new();
    wire::frame::put_send(&mut frame, channel, 0x64, false, &data);
    let flood = async { while alice.stream.write_all(&frame).await.is_ok() {} };
    tokio::time::pause();
    tokio::select! {
        () = flood => {}
        reason = &mut bob.served => assert_eq!(reason.unwrap(), CloseReason::SlowConsumer),
    }
    tokio::time::resume();

    carol.watch(&["bob"]).await;
    carol.sees("bob", None).await;
}

#[tokio::test]
async fn what_is_saved_in_the_breath_before_the_logout_is_stored() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    alice
        .say(|client, out| {
            client.save(0, b"the last change", out).unwrap();
            client.set_privacy(true, &["bob"], out).unwrap();
            client.logout(out);
        })
        .await;
    let ended = timeout(DEADLINE, alice.served).await.unwrap().unwrap();
    assert_eq!(ended, CloseReason::Logout);

    let mut alice = house.login("alice").await;
    alice
        .say(|client, out| client.load(&[0], out))
        .await
        .unwrap();
    let answer = alice
        .until(|event| matches!(event, Event::Loaded { .. }))
        .await;
    assert!(
        matches!(&answer, Event::Loaded { items, .. } if items[0].1 == b"the last change"),
        "{answer:?}"
    );
    let mut bob = house.login("bob").await;
    bob.watch(&["alice"]).await;
    bob.sees("alice", None).await;
}

#[tokio::test]
async fn asking_for_one_key_many_times_is_asking_once() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    alice
        .say(|client, out| client.save(7, &[1; 60_000], out))
        .await
        .unwrap();
    alice
        .say(|client, out| client.load(&[7; 100_000], out))
        .await
        .unwrap();
    let answer = alice
        .until(|event| matches!(event, Event::Loaded { .. }))
        .await;
    let Event::Loaded { items, .. } = answer else {
        unreachable!()
    };
    assert_eq!(items.len(), 1);

    let keys: Vec<u32> = (0..1000).collect();
    alice
        .say(|client, out| client.load(&keys, out))
        .await
        .unwrap();
    let answer = alice
        .until(|event| matches!(event, Event::Loaded { .. }))
        .await;
    assert!(
        matches!(
            answer,
            Event::Loaded {
                code: ReturnCode::BAD_DATA,
                ..
            }
        ),
        "{answer:?}"
    );
}

#[tokio::test]
async fn naming_a_user_or_group_twice_is_naming_it_once() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    let staff = AwareId::group("staff".into());
    let bob = AwareId::user("bob".into());
    alice
        .say(|client, out| client.watch(&[staff, bob, staff, bob, bob], out))
        .await
        .unwrap();
    let seen = alice.settle().await;
    let entries: usize = seen
        .iter()
        .map(|event| match event {
            Event::Snapshot(entries) => entries.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(
        entries, 3,
        "two members of the group and one user: {seen:?}"
    );
}

#[tokio::test]
async fn one_user_is_watched_under_a_few_spellings_only() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    let bob = house.login("bob").await;
    let spellings: Vec<String> = (0..50)
        .map(|blanks| format!("bob{}", " ".repeat(blanks)))
        .collect();
    let ids: Vec<&str> = spellings.iter().map(String::as_str).collect();
    alice.watch(&ids).await;
    let snapshot = alice
        .until(|event| matches!(event, Event::Snapshot(_)))
        .await;
    let Event::Snapshot(entries) = snapshot else {
        unreachable!()
    };
    let seen = entries
        .iter()
        .filter(|entry| entry.online.is_some())
        .count();
    assert_eq!(
        (entries.len(), seen),
        (50, community::limits::SPELLINGS_MAX)
    );
    drop(bob);
}

#[tokio::test]
async fn who_announces_too_often_is_not_heard() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    let mut bob = house.login("bob").await;
    for number in 0..2 * community::limits::ANNOUNCEMENTS_MAX {
        let text = number.to_string();
        alice
            .say(|client, out| client.announce(&text, false, &["@U bob"], out))
            .await
            .unwrap();
    }
    alice.settle().await;
    let heard = bob.settle().await;
    let heard = heard
        .iter()
        .filter(|event| matches!(event, Event::Announcement { .. }))
        .count();
    assert_eq!(heard, community::limits::ANNOUNCEMENTS_MAX as usize);
}

#[tokio::test]
async fn one_user_cannot_use_up_anothers_channels() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    let mut bob = house.login("bob").await;
    let mut last = ChannelId(0);
    for _ in 0..=community::limits::CHANNELS_PER_PEER_MAX {
        last = alice.talk_to("bob").await;
    }
    assert_eq!(alice.channel_ends(last).await, ReturnCode::STARVING);
    let mut carol = house.login("carol").await;
    let channel = carol.talk_to("bob").await;
    let is_carols =
        |event: &Event| matches!(event, Event::ImOffered { from, .. } if from.user_id == "carol");
    let offered = bob.until(is_carols).await;
    let Event::ImOffered { channel: bobs, .. } = offered else {
        unreachable!()
    };
    bob.say(|client, out| client.accept_im(bobs, out))
        .await
        .unwrap();
    carol
        .until(|event| matches!(event, Event::ImOpened { channel: id, .. } if *id == channel))
        .await;
}

#[tokio::test]
async fn the_attributes_of_the_login_that_stays_are_told() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    alice
        .say(|client, out| client.watch_attributes(&[1, 6], out))
        .await
        .unwrap();
    alice.watch(&["bob"]).await;
    let mut desk = house.login("bob").await;
    desk.say(|client, out| client.set_attribute(6, &[1], out))
        .await
        .unwrap();
    let is = |wanted_key: u32, wanted: Option<Vec<u8>>| move |event: &Event| matches!(event, Event::Attribute { key, value, .. } if *key == wanted_key && *value == wanted);
    alice.until(is(6, Some(vec![1]))).await;
    // A newer login rings, and has none.
    let phone = house.login("bob").await;
    alice.until(is(6, None)).await;
    drop(phone);
    alice.until(is(6, Some(vec![1]))).await;
    // Who hides takes them along.
    desk.say(|client, out| client.set_privacy(true, &["alice"], out))
        .await
        .unwrap();
    alice.until(is(6, None)).await;
}

#[tokio::test]
async fn an_offer_that_nobody_answers_ends() {
    let house = House::new().await;
    let mut alice = house.login("alice").await;
    let mut bob = house.login("bob").await;
    let channel = alice.talk_to("bob").await;
    let offered = bob
        .until(|event| matches!(event, Event::ImOffered { .. }))
        .await;
    let Event::ImOffered { channel: bobs, .. } = offered else {
        unreachable!()
    };
    let before = tokio::time::Instant::now();
    tokio::time::pause();
    tokio::time::advance(community::limits::OFFER_DEADLINE + Duration::from_secs(2)).await;
    assert_eq!(alice.channel_ends(channel).await, ReturnCode::FAILURE);
    assert_eq!(bob.channel_ends(bobs).await, ReturnCode::FAILURE);
    assert!(before.elapsed() < community::limits::OFFER_DEADLINE * 2);
}
