//! The two probes: whether the process answers, and whether it is of use.

use anchor_core::store::Readiness;
use axum::Json;
use axum::extract;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::admission::Phase;
use crate::state::State;

/// `GET /healthz`: 200 as long as the process answers at all. Restart it when this fails.
pub(super) async fn alive() -> Response {
    answer(StatusCode::OK, &Report { status: "ok", message: "the process answers" })
}

/// `GET /readyz`: 200 if publishes go through, else 503 with the reason. Send it no new clients while this fails.
pub(super) async fn ready(extract::State(state): extract::State<State>) -> Response {
    let report = report(state.admission().phase(), state.anchor().readiness());
    let status = if report.status == READY { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer(status, &report)
}

/// The body of both probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Report {
    status: &'static str,
    message: &'static str,
}

const fn report(phase: Phase, readiness: Readiness) -> Report {
    let (status, message) = match (phase, readiness) {
        (Phase::Draining | Phase::Aborting, _) => ("shutdown", "the server stops"),
        (Phase::Serving, Readiness::Ready) => (READY, "publishes go through"),
        (Phase::Serving, Readiness::DiskFull) => (
            "disk_full",
            "the disk runs low: publishes wait until there is room, reading goes on; free some space or add a disk",
        ),
        (Phase::Serving, Readiness::Unavailable) => {
            ("store_unavailable", "the store does not answer: publishes wait until it does")
        }
        (Phase::Serving, Readiness::Failed) => {
            ("store_failed", "the store has failed: the process ends and must be started again")
        }
    };
    Report { status, message }
}

fn answer(status: StatusCode, report: &Report) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(report)).into_response()
}

/// The status of a server that is of use.
const READY: &str = "ready";
