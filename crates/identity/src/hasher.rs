//! The threads that check passwords against Argon2id hashes, and the queue in front of them.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::failures::Failures;
use crate::password::Arena;
use crate::{HashedPassword, IdentityError, password};

/// Proofs that may wait. As many as one process has connections, so that after a restart everybody may wait
/// for the turn; what is over is told to come back later.
pub const HASH_QUEUE_MAX: usize = 20_000;

/// Threads are as many as cores, up to this: each holds 19 MiB while it works, and memory bandwidth, not cores,
/// is what bigger machines run out of.
const THREADS_MAX: usize = 16;

/// How often a full queue is searched for those who went away.
const FORGET_EVERY: Duration = Duration::from_secs(1);

/// Without work for this long, a thread gives its 19 MiB back.
const ARENA_IDLE: Duration = Duration::from_secs(5);

/// A password to check.
pub(crate) struct Job {
    /// What it is checked against.
    pub(crate) hash: HashedPassword,
    pub(crate) password: Zeroizing<Vec<u8>>,
    /// The address that a failure is counted for.
    pub(crate) address: IpAddr,
    /// `false` if there is nobody whose password it could be: the work is done all the same, the answer is no.
    pub(crate) may_match: bool,
}

/// What the check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checked {
    Right,
    Wrong,
    /// The address failed too often while this job waited; nothing was checked.
    Blocked,
    /// The queue is full, or the threads are gone.
    Unavailable,
}

/// Ends its threads when dropped.
pub(crate) struct Hasher {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    failures: Arc<Failures>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    stopping: bool,
    forgotten_at: Option<Instant>,
}

impl Queue {
    /// Takes those out who went away while they waited, so that nobody can fill the queue by coming and going. Not
    /// at every call: it looks at all of them.
    fn forget_the_gone(&mut self, now: Instant) {
        if self
            .forgotten_at
            .is_none_or(|last| now >= last + FORGET_EVERY)
        {
            self.forgotten_at = Some(now);
            self.waiting.retain(|waiting| !waiting.reply.is_closed());
        }
    }
}

struct Waiting {
    job: Job,
    since: Instant,
    reply: oneshot::Sender<Checked>,
}

impl Hasher {
    pub(crate) fn start(failures: Arc<Failures>) -> Result<Hasher, IdentityError> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            work: Condvar::new(),
            failures,
        });
        // Made first, so that the threads that did start end if another does not.
        let hasher = Hasher { shared };
        let threads = std::thread::available_parallelism()
            .map_or(1, |n| n.get())
            .min(THREADS_MAX);
        for n in 0..threads {
            let shared = hasher.shared.clone();
            std::thread::Builder::new()
                .name(format!("hasher-{n}"))
                .spawn(move || shared.serve())
                .map_err(|_| IdentityError::Machine("no thread to check passwords"))?;
        }
        Ok(hasher)
    }

    /// Checks in the order of asking. A caller that goes away gives up its place when the queue is full.
    pub(crate) async fn check(&self, job: Job) -> Checked {
        let (reply, answer) = oneshot::channel();
        {
            let mut queue = self.shared.lock();
            if queue.waiting.len() >= HASH_QUEUE_MAX {
                queue.forget_the_gone(Instant::now());
            }
            if queue.waiting.len() >= HASH_QUEUE_MAX {
                return Checked::Unavailable;
            }
            queue.waiting.push_back(Waiting {
                job,
                since: Instant::now(),
                reply,
            });
            show_length(&queue);
        }
        self.shared.work.notify_one();
        answer.await.unwrap_or(Checked::Unavailable)
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.stopping = true;
        queue.waiting.clear();
        show_length(&queue);
        drop(queue);
        self.shared.work.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        password::yield_to_others();
        let mut arena = Arena::default();
        while let Some(Waiting { job, since, reply }) = self.next(&mut arena) {
            if reply.is_closed() {
                continue;
            }
            metrics::histogram!("isochron_password_wait_seconds").record(since.elapsed());
            // The receiver may go away while we work; the failure was counted all the same.
            let _ = reply.send(self.check(&job, &mut arena));
        }
    }

    /// The next in the queue; `None` when it is time to end.
    fn next(&self, arena: &mut Arena) -> Option<Waiting> {
        let mut queue = self.lock();
        loop {
            if queue.stopping {
                return None;
            }
            if let Some(next) = queue.waiting.pop_front() {
                show_length(&queue);
                return Some(next);
            }
            let (woken, waited) = self
                .work
                .wait_timeout(queue, ARENA_IDLE)
                .unwrap_or_else(PoisonError::into_inner);
            queue = woken;
            if waited.timed_out() {
                arena.release();
            }
        }
    }

    /// Looks at the failures again, since this job may have waited behind a thousand wrong guesses from the same
    /// address, and counts its own before the next job is looked at.
    fn check(&self, job: &Job, arena: &mut Arena) -> Checked {
        if self.failures.blocked(job.address, Instant::now()) {
            return Checked::Blocked;
        }
        let start = Instant::now();
        let matches = job.hash.matches(&job.password, arena);
        metrics::histogram!("isochron_password_check_seconds").record(start.elapsed());
        let right = matches && job.may_match;
        self.failures.count(job.address, right, Instant::now());
        if right {
            return Checked::Right;
        }
        Checked::Wrong
    }
}

fn show_length(queue: &Queue) {
    metrics::gauge!("isochron_password_queue_logins").set(queue.waiting.len() as f64);
}
