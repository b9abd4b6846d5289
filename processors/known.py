"""The names of the transcript format that this version knows: what is not among them is named, not guessed at.

They were read from real files and from the client itself (Claude Code 2.1.332). A name that is missing here does no
harm but to be reported (docs/counting.md, "Unknown formats").
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: `type` of a record.
RECORD_TYPES = _names(
    """
    agent-color agent-name agent-setting ai-title api-request api-request-blob api-request-resumed api-request-shape
    artifact-autoreact-ledger artifact-comment-monitor assistant atis-latch attachment attribution-snapshot
    bridge-session content-replacement continued-in cost-state custom-title data-flow-incomplete data-flow-records
    derived-from dev-mods ended-by-model file-history-delta file-history-snapshot fork-context-ref frame-link
    history-suppression host-row hybrid-organization isolation-latch last-prompt launched memory-mode mode
    observer-ref permission-mode pr-link progress queue-operation relocated repl-mode result resume-head-vouch
    session-owner started summary system tag tool_use_result tools-used user worktree-state
    """
)

#: Types of records in which the client tells something of its own that is read.
CLIENT_TYPES = _names(
    "ai-title api-request-shape attachment cost-state custom-title pr-link queue-operation summary system"
)

#: `subtype` of a `system` record.
SYSTEM_SUBTYPES = _names(
    """
    account_memory_saved agents_killed api_error api_retry away_summary bridge_state bridge_status checkpoint_done
    code_change_published compact_boundary dev_intent elicitation_complete error error_during_execution
    error_max_budget_usd error_max_turns feedback_draft_queued file_attachments_missing file_snapshot files_persisted
    hook_progress hook_response hook_started informational inherited_asks_settled init instruction_size_warning
    late_allow_not_run local_command local_command_output memory_recall memory_saved message_rated
    microcompact_boundary mirror_error model_consent_fallback model_fallback model_refusal_fallback
    model_refusal_no_fallback notification peer_message_hold per_turn_effort_changed permission_denied
    permission_retry plugin_install poll_event post_turn_summary read_divider rewind_stand_in scheduled_task_fire
    session_metadata session_state_changed session_title_changed session_writes_lost shell_cwd start_folder status
    stop_hook_summary success task_notification task_progress task_started task_summary task_updated thinking
    thinking_tokens tool_host_result turn_began_before_init turn_duration turn_handoff turn_handoff_available
    turn_preempted turn_starting vcs_state_changed voice_call_talk worker_shutting_down
    """
)

#: `attachment.type` of an `attachment` record.
ATTACHMENT_TYPES = _names(
    """
    account_memory_recall advisor_stripped advisor_tool agent_ask_notice agent_listing_delta agent_mention
    already_read_file artifact_opening_prefetch async_hook_response async_hook_response_batch at_mention_reference
    attention_budget auto_mode auto_mode_exit bash_output_audience_note batching_reminder batching_reminder_sent
    budget_usd claude_app_notice command_permissions compact_file_reference context_efficiency context_sections
    coordinator_context cowork_memory_context credential_org critical_system_reminder date date_change
    deferred_tools_delta deferred_tools_record diagnostics dir_sync_notice directory dynamic_skill edited_image_file
    edited_text_file elapsed_time_reminder environment file first_week fork_briefing goal_status
    hook_additional_context hook_blocking_error hook_cancelled hook_deferred_tool hook_error_during_execution
    hook_non_blocking_error hook_permission_decision hook_stopped_continuation hook_success hook_system_message
    inlined_image_paths instructions invoked_skills language linked_plugin_tools_note max_turns_reached
    mcp_dropped_tools_delta mcp_instructions_delta mcp_resource memory_update message_pdf_reads model nested_memory
    opened_file_in_ide output_limit_note output_style output_style_instructions output_token_usage pdf_reference
    peer_mention plan_file_reference plan_mode plan_mode_exit plan_mode_reentry plugin_note poll_events prefix_delta
    proactivity progress_reminder_sent project_doc_reads projects_thread_ask prompt_as_file prompt_render_point
    prompt_snapshot queued_command read_truncation_notice relevant_memories remote_session_change repl_mcp_needs_auth
    sandbox_instructions secondary_reminder secondary_reminder_sent selected_lines_in_diff selected_lines_in_ide
    session_context session_cron_carry silent_turn_reminder skill_listing skill_mention structured_output
    task_reminder task_status team_context teammate_mailbox teammate_shutdown_batch thinking_drop thinking_stripped
    thread_state todo_reminder token_usage tool_host_result_lines tool_hosts_correction tool_hosts_notice
    tool_offer_record tool_results_cut tool_search_usage_reminder total_tokens_reminder ultra_effort_enter
    ultra_effort_exit ultrathink_effort unknown_command_fallback whole_texts_withdrawn widget_context_hint
    withheld_memory workflow_keyword_request workflow_size_guideline_change
    """
)

#: `type` of an entry of `usage.iterations`; those of `COUNTED_ITERATIONS` are calls of their own.
COUNTED_ITERATIONS = frozenset({"advisor_message", "compaction"})
ITERATION_TYPES = COUNTED_ITERATIONS | {"message", "fallback_message"}

#: `origin.kind` of a user's line or queued sentence, and whose words it announces; None: nobody's.
ORIGINS: dict[str, str | None] = {
    "human": "person",
    "peer": "peer",
    "coordinator": "peer",
    "observer": "peer",
    "observer-activity": "peer",
    "channel": "peer",
    "task-notification": None,
    "auto-continuation": None,
    "plugin": "unknown",
    "slack-ping": "unknown",
    "unclassified": "unknown",
    "voice-call": "unknown",
}

#: `promptSource` of a user's line, and whose words it announces; all others are unknown.
PROMPT_SOURCES = {"typed": "person", "queued": "person", "suggestion_accepted": "person", "sdk": "sdk"}

#: Fields of `usage`.
USAGE_FIELDS = _names(
    """
    cache_creation cache_creation_input_tokens cache_read_input_tokens fallback_credit inference_geo input_tokens
    iterations output_tokens output_tokens_details server_tool_use service_tier speed
    """
)
