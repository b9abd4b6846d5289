"""Response models of the reconciliation with the clients' statements."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from watcher.http.schemas import Answer

By = Literal["sessions", "users", "days", "models"]


class ReconciledOut(Answer):
    """Sums over the sessions with a statement of the client."""

    sessions: int = Field(description="Number of sessions.", examples=[12])
    counted_input_tokens: int = Field(description="Counted up to the client's statement.")
    counted_output_tokens: int
    counted_cache_creation_tokens: int
    counted_cache_read_tokens: int
    counted_cost_usd: float
    client_input_tokens: int = Field(description="As stated by the client.")
    client_output_tokens: int
    client_cache_creation_tokens: int
    client_cache_read_tokens: int
    client_cost_usd: float
    not_yet_stated_input_tokens: int = Field(description="Counted after the statement.")
    not_yet_stated_output_tokens: int
    not_yet_stated_cache_creation_tokens: int
    not_yet_stated_cache_read_tokens: int
    not_yet_stated_cost_usd: float
    unexplained_input_tokens: int = Field(
        description="The client's less what is counted: on no line; negative where the client says less."
    )
    unexplained_output_tokens: int
    unexplained_cache_creation_tokens: int
    unexplained_cache_read_tokens: int
    unexplained_cost_usd: float


class ApartOut(Answer):
    """Sessions that are excluded from all sums because no usable statement covers them."""

    reason: Literal["no statement", "parent unknown", "parent not stated"]
    sessions: int = Field(examples=[340])
    cost_usd: float = Field(description="Counted cost of these sessions.")


class ReconciliationOut(Answer):
    """Counted usage beside the clients' statements, with totals."""

    report: Literal["reconcile"]
    by: By = Field(description="What a row stands for.")
    columns: list[str] = Field(examples=[["username", "sessions", "counted_cost_usd", "unexplained_cost_usd"]])
    rows: list[list[Any]] = Field(
        description="Of this page; a value a column. Days in their order, all else with what is explained least first.",
        examples=[[["ann", 4, 3.2, 0.4]]],
    )
    totals: ReconciledOut = Field(description="Over all rows, not only this page, without those that have a reason.")
    total_rows: int = Field(description="Number of rows on all pages.", examples=[31])
    apart: list[ApartOut] = Field(
        description="Excluded from all sums; sessions without a statement are listed by the days of their calls."
    )
    unknown_models: list[str] = Field(description="Models without a price: their cost is missing in the counted cost.")
