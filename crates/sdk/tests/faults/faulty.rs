//! A destination whose calls go wrong as a plan says.

use crate::recorder::Recorder;
use async_trait::async_trait;
use claviger_sdk::{Destination, DestinationError, NewRoot, PartHash, StoredRoot};
use std::{
    future::{Future, pending},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::Notify;

/// What a call does wrong.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    None,
    /// It fails, and nothing was done.
    FailsBefore,
    /// It fails, and it was done.
    FailsAfter,
    /// It never ends, and nothing was done.
    StopsBefore,
    /// It never ends, and it was done.
    StopsAfter,
    /// A root is put later, when the caller has given up.
    Late,
    /// An older root is shown. With the version of the present one it can even be replaced.
    OldRoot(StoredRoot, WithVersion),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WithVersion {
    Its,
    OfThePresent,
}

/// What is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Call {
    Root,
    Part,
    PutPart,
    PutRoot,
    DeletePart,
}

type Plan = dyn FnMut(usize, Call) -> Fault + Send;

/// Calls of a destination, numbered from 0, each with the fault that the plan has for it. Clones go on together.
#[derive(Clone)]
pub(crate) struct Faulty {
    inner: Recorder,
    plan: Arc<Mutex<Box<Plan>>>,
    calls: Arc<AtomicUsize>,
    /// The last call that went wrong.
    wrong: Arc<Mutex<Option<Call>>>,
    late: Arc<Mutex<Vec<NewRoot>>>,
    stopped: Arc<Notify>,
}

impl Faulty {
    pub(crate) fn new(inner: &Recorder, plan: impl FnMut(usize, Call) -> Fault + Send + 'static) -> Self {
        let (calls, wrong, late, stopped) = <_>::default();
        Self { inner: inner.clone(), plan: Arc::new(Mutex::new(Box::new(plan))), calls, wrong, late, stopped }
    }

    /// Goes wrong at one call alone.
    pub(crate) fn once(inner: &Recorder, number: usize, fault: Fault) -> Self {
        Self::new(inner, move |call, _| if call == number { fault.clone() } else { Fault::None })
    }

    /// The roots that are still to be put.
    pub(crate) fn late(&self) -> Vec<NewRoot> {
        std::mem::take(&mut *self.late.lock().unwrap())
    }

    /// When a call has come to where it never ends.
    pub(crate) async fn stopped(&self) {
        self.stopped.notified().await;
    }

    pub(crate) fn wrong(&self) -> Option<Call> {
        *self.wrong.lock().unwrap()
    }

    fn fault(&self, call: Call) -> Fault {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let fault = (self.plan.lock().unwrap())(number, call);
        if !matches!(fault, Fault::None) {
            *self.wrong.lock().unwrap() = Some(call);
        }
        fault
    }

    async fn stop<T>(&self) -> T {
        self.stopped.notify_one();
        pending().await
    }

    async fn call<T: Send>(
        &self,
        fault: Fault,
        done: impl Future<Output = Result<T, DestinationError>> + Send,
    ) -> Result<T, DestinationError> {
        match fault {
            Fault::FailsBefore => Err(DestinationError::failed("it failed before")),
            Fault::FailsAfter => {
                done.await?;
                Err(DestinationError::failed("it failed after"))
            }
            Fault::StopsBefore => self.stop().await,
            Fault::StopsAfter => {
                let _ = done.await;
                self.stop().await
            }
            Fault::None | Fault::Late | Fault::OldRoot(..) => done.await,
        }
    }
}

#[async_trait]
impl Destination for Faulty {
    async fn root(&self) -> Result<Option<StoredRoot>, DestinationError> {
        match self.fault(Call::Root) {
            Fault::OldRoot(mut old, version) => {
                if let (WithVersion::OfThePresent, Some(present)) = (version, self.inner.root().await?) {
                    old.version = present.version;
                }
                Ok(Some(old))
            }
            fault => self.call(fault, self.inner.root()).await,
        }
    }

    async fn part(&self, hash: &PartHash) -> Result<Option<Vec<u8>>, DestinationError> {
        self.call(self.fault(Call::Part), self.inner.part(hash)).await
    }

    async fn put_part(&self, hash: &PartHash, bytes: Vec<u8>) -> Result<(), DestinationError> {
        self.call(self.fault(Call::PutPart), self.inner.put_part(hash, bytes)).await
    }

    async fn put_root(&self, root: NewRoot) -> Result<(), DestinationError> {
        match self.fault(Call::PutRoot) {
            Fault::Late => {
                self.late.lock().unwrap().push(root);
                self.stop().await
            }
            fault => self.call(fault, self.inner.put_root(root)).await,
        }
    }

    async fn delete_part(&self, hash: &PartHash) -> Result<(), DestinationError> {
        self.call(self.fault(Call::DeletePart), self.inner.delete_part(hash)).await
    }
}
