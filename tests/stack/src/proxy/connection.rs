//! One connection through a proxy: what comes from either side goes to the other, unless it is to be lost.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::frames::Frames;
use super::{Inner, Moment, Speech};

const PIECE_BYTES: usize = 32 * 1024;

pub async fn pass_on(inner: Arc<Inner>, client: TcpStream, door: String) {
    // Both sides see the connection end, and that is all there is to say.
    let _ = pieces(&inner, client, &door).await;
}

async fn pieces(inner: &Inner, mut client: TcpStream, door: &str) -> io::Result<()> {
    let Some(target) = *inner.target.borrow() else { return Ok(()) };
    let mut server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut asks, mut answers) = (Questions::new(inner.speech, Frames::after_the_first()), Answers::new(inner.speech));
    let (mut up, mut down) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    let mut cut = inner.cut.subscribe();
    let mut asked = false;
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let piece = &up[..read?];
                let question = asks.begins(piece);
                if piece.is_empty() || question && inner.strikes(door, Moment::Before) {
                    return Ok(());
                }
                asked |= question;
                inner.wait().await;
                server.write_all(piece).await?;
                if question {
                    inner.strikes(door, Moment::During);
                }
            }
            read = server.read(&mut down) => {
                let piece = &down[..read?];
                if piece.is_empty() {
                    return Ok(());
                }
                if answers.begins(piece) && std::mem::take(&mut asked) && (inner.strikes(door, Moment::After) || inner.loses()) {
                    client.set_zero_linger()?;
                    return Ok(());
                }
                inner.wait().await;
                client.write_all(piece).await?;
            }
            changed = cut.changed() => {
                let share = cut.borrow_and_update().1;
                if changed.is_err() || fastrand::f64() < share {
                    client.set_zero_linger()?;
                    return server.set_zero_linger();
                }
            }
        }
    }
}

/// Finds where something is asked.
struct Questions(Speech, Frames);

impl Questions {
    fn new(speech: Speech, frames: Frames) -> Self {
        Self(speech, frames)
    }

    fn begins(&mut self, piece: &[u8]) -> bool {
        match self.0 {
            Speech::Http => true,
            // Execute, or a simple query.
            Speech::Postgres => self.1.begins_one_of(piece, b"EQ"),
        }
    }
}

/// Finds where it is answered.
struct Answers(Speech, Frames);

impl Answers {
    fn new(speech: Speech) -> Self {
        Self(speech, Frames::default())
    }

    fn begins(&mut self, piece: &[u8]) -> bool {
        match self.0 {
            Speech::Http => true,
            // ReadyForQuery after CommandComplete: by then it is committed.
            Speech::Postgres => self.1.begins_one_of(piece, b"C"),
        }
    }
}
