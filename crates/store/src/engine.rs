//! The thread that owns the database connection, and the queue in front of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::StoreError;

/// Requests that may wait for the thread. A full queue makes callers wait, which in turn slows the clients
/// they work for; a request holds at most a few hundred kilobytes.
const QUEUE_REQUESTS_MAX: usize = 1024;

/// Requests in one transaction. Enough to make the disk flush cheap for each, few enough that the first does
/// not wait long for the last.
const BATCH_REQUESTS_MAX: usize = 256;

/// Handle to the thread; cheap to clone. The thread ends with the last handle or with [`Engine::close`].
#[derive(Clone)]
pub(crate) struct Engine {
    requests: mpsc::Sender<Request>,
    /// Taken by whoever closes, to wait for the end of the thread.
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

enum Request {
    /// Does its work inside the transaction and returns how to answer once its fate is known.
    Work(Work),
    Close(oneshot::Sender<Result<(), StoreError>>),
}

type Work = Box<dyn FnOnce(&Connection) -> Answer + Send>;

/// Takes the outcome of the commit.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

impl Engine {
    pub(crate) fn start(connection: Connection) -> Result<Engine, StoreError> {
        let (requests, queue) = mpsc::channel(QUEUE_REQUESTS_MAX);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || serve(connection, queue))
            .map_err(|error| StoreError::Engine {
                detail: format!("no thread for it: {error}"),
            })?;
        Ok(Engine {
            requests,
            thread: Arc::new(Mutex::new(Some(thread))),
        })
    }

    /// Runs `work` on the thread; the answer comes after the commit. If `work` fails, nothing of it stays.
    pub(crate) async fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work = Box::new(move |db: &Connection| {
            let outcome = in_savepoint(db, work);
            // The caller may have gone away meanwhile; then nobody wants the answer.
            let answer =
                move |commit: Result<(), StoreError>| drop(reply.send(commit.and(outcome)));
            Box::new(answer) as Answer
        });
        self.requests
            .send(Request::Work(work))
            .await
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    pub(crate) async fn close(self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(Request::Close(reply))
            .await
            .map_err(|_| StoreError::Closed)?;
        let outcome = answer.await.map_err(|_| StoreError::Closed)?;
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // The answer was the thread's last act, so this join does not wait for anything.
            drop(thread.join());
        }
        outcome
    }
}

/// Undoes what `work` did if it fails, so that one request cannot leave half of itself in the transaction that
/// it shares with others.
fn in_savepoint<T>(
    db: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    db.prepare_cached("SAVEPOINT request")?.execute([])?;
    let outcome = work(db);
    if outcome.is_err() {
        db.prepare_cached("ROLLBACK TO request")?.execute([])?;
    }
    db.prepare_cached("RELEASE request")?.execute([])?;
    outcome
}

fn serve(db: Connection, mut queue: mpsc::Receiver<Request>) {
    let mut batch = Vec::with_capacity(BATCH_REQUESTS_MAX);
    let mut closing = None;
    while closing.is_none() && queue.blocking_recv_many(&mut batch, BATCH_REQUESTS_MAX) > 0 {
        let mut works = Vec::with_capacity(batch.len());
        for request in batch.drain(..) {
            match request {
                Request::Work(work) if closing.is_none() => works.push(work),
                // Asked after the close: dropping the request answers `Closed`.
                Request::Work(_) => {}
                Request::Close(reply) => closing = closing.or(Some(reply)),
            }
        }
        run_in_one_transaction(&db, works);
    }
    queue.close();
    let outcome = finish(db);
    if let Some(reply) = closing {
        drop(reply.send(outcome));
    }
}

fn run_in_one_transaction(db: &Connection, works: Vec<Work>) {
    if works.is_empty() {
        return;
    }
    let begun = db
        .prepare_cached("BEGIN")
        .and_then(|mut begin| begin.execute([]));
    if let Err(error) = begun {
        // Dropping the work would say "closed"; running it lets each caller know what is wrong. Without a
        // transaction the savepoint of each request is one.
        let error = StoreError::from(error);
        works
            .into_iter()
            .for_each(|work| work(db)(Err(error.clone())));
        return;
    }
    let answers: Vec<Answer> = works.into_iter().map(|work| work(db)).collect();
    let committed = db
        .prepare_cached("COMMIT")
        .and_then(|mut commit| commit.execute([]))
        .map(|_| ())
        .map_err(StoreError::from);
    if committed.is_err() && !db.is_autocommit() {
        // If this fails too the next BEGIN fails, and its callers are told.
        drop(db.execute_batch("ROLLBACK"));
    }
    for answer in answers {
        answer(committed.clone());
    }
}

fn finish(db: Connection) -> Result<(), StoreError> {
    let merged = db
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA optimize")
        .map_err(StoreError::from);
    db.close()
        .map_err(|(_, error)| StoreError::from(error))
        .and(merged)
}
