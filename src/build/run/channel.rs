//! Messages between the processes of a sandbox: JSON over a socket pair, descriptors beside it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::cmsg_space;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One end of the pair.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

impl Channel {
    /// Makes a pair.
    pub(super) fn pair() -> io::Result<(Self, Self)> {
        let (one, other) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(one), Self(other)))
    }

    /// The end that was handed over as the standard input.
    pub(super) fn of_stdin() -> io::Result<Self> {
        let stdin = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
        Ok(Self(stdin))
    }

    pub(super) fn into_fd(self) -> OwnedFd {
        self.0
    }

    /// Sends a message, and these descriptors with it.
    pub(super) fn send(&self, message: &impl Serialize, with: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        let mut pieces = bytes.chunks(PIECE).peekable();
        while let Some(piece) = pieces.next() {
            let is_last = pieces.peek().is_none();
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if is_last && !with.is_empty() && !control.push(SendAncillaryMessage::ScmRights(with)) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let more = [u8::from(!is_last)];
            let parts = [IoSlice::new(&more), IoSlice::new(piece)];
            retry(|| sendmsg(&self.0, &parts, &mut control, SendFlags::NOSIGNAL))?;
        }
        Ok(())
    }

    /// The next message and its descriptors; `None` if nobody is at the other end any more.
    pub(super) fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let (mut bytes, mut with) = (Vec::new(), Vec::new());
        let mut piece = vec![0; PIECE + 1];
        loop {
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let received = loop {
                let mut parts = [IoSliceMut::new(&mut piece)];
                let flags = RecvFlags::CMSG_CLOEXEC;
                match recvmsg(&self.0, &mut parts, &mut control, flags) {
                    Err(rustix::io::Errno::INTR) => {}
                    Err(rustix::io::Errno::CONNRESET) => return Ok(None),
                    other => break other?,
                }
            };
            if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    with.extend(descriptors);
                }
            }
            let Some((more, part)) = piece.get(..received.bytes).and_then(|all| all.split_first())
            else {
                return Ok(None);
            };
            bytes.extend_from_slice(part);
            if bytes.len() > MAX_MESSAGE {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if *more == 0 {
                return Ok(Some((serde_json::from_slice(&bytes)?, with)));
            }
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Does it again if a signal came in between.
pub(super) fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Bytes as text, each one letter: paths and link targets are any bytes.
pub(super) mod as_text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::build::run) fn serialize<S: Serializer>(
        bytes: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let text: String = bytes.iter().copied().map(char::from).collect();
        serializer.serialize_str(&text)
    }

    pub(in crate::build::run) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
        bytes.map_err(|_| D::Error::custom("no bytes"))
    }
}

/// Bytes of a message that are sent at once; the kernel takes some 200 KiB.
const PIECE: usize = 64 << 10;
/// More than any message has: a command, its environment and its files.
const MAX_MESSAGE: usize = 256 << 20;
/// As many as the kernel passes with one message, nearly.
pub(super) const MAX_DESCRIPTORS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_any_length_and_descriptors() {
        let (one, other) = Channel::pair().unwrap();
        let text = "x".repeat(500_000);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (received, with): (String, _) = other.receive().unwrap().unwrap();
                assert_eq!((received.len(), with.len()), (500_000, 2));
            });
            let stdin = io::stdin();
            one.send(&text, &[stdin.as_fd(), one.as_fd()]).unwrap();
        });
        drop(one);
        assert!(other.receive::<String>().unwrap().is_none());
    }
}
