"""Tests hold each row of the privacy policy's table, and each of these tests is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
POLICY = (ROOT / "docs" / "privacy.md").read_text("utf-8")
HELD_BY: dict[str, tuple[str, ...]] = {
    "your yes or no": (
        "bot/test_consent.py::test_it_survives_a_restart_and_stays_in_its_server",
        "bot/test_leavers.py::test_whoever_left_is_found_without_the_intent",
        "bot/test_leavers.py::test_nothing_is_kept_of_a_server_that_the_bot_was_removed_from",
    ),
    "channels that admins allowed": (
        "bot/test_allow_training.py::test_an_admin_allows_a_channel_and_its_members_are_told_there",
        "bot/test_leavers.py::test_a_deleted_channel_is_forbidden_and_its_models_go",
    ),
    "a channel's pages": (
        "bot/test_reading_interrupted.py::test_pages_expire_and_no_worker_may_see_them",
        "bot/test_reading.py::test_who_withdraws_while_it_is_read_is_not_in_it",
    ),
    "the text of a training": (
        "worker/test_channels.py::test_what_ended_jobs_left_on_the_disk_is_removed",
        "bot/test_channel_trainings.py::test_the_text_goes_with_its_training",
        "bot/test_withdrawals.py::test_a_waiting_training_loses_the_words_and_goes_on",
        "worker/test_channels.py::test_who_withdraws_while_it_trains_makes_it_begin_anew",
        "worker/test_copies.py::test_nobody_goes_on_from_words_that_were_withdrawn",
    ),
    "a reading note": (
        "bot/test_remake.py::test_readings_that_nothing_needs_are_forgotten",
        "bot/test_reading.py::test_speakers_have_invented_names",
    ),
    "models of a channel": (
        "worker/test_channels.py::test_no_message_is_kept_with_a_model",
        "worker/test_channels.py::test_a_passage_stands_while_lines_of_three_members_have_it",
        "bot/test_remake.py::test_a_model_of_withdrawn_words_is_made_again_without_them",
        "bot/test_remake.py::test_it_is_deleted_at_the_deadline",
        "bot/test_remake.py::test_what_is_too_old_is_made_again",
        "bot/test_withdrawals.py::test_past_its_time_a_model_cannot_be_used_deleted_or_not",
        "bot/test_rooms.py::test_it_goes_with_the_channel_that_it_learned_from",
    ),
    "models of your own words": (
        "bot/test_preview.py::test_a_data_package_is_one_s_own_words",
        "bot/test_exports_of_members.py::test_a_withdrawal_takes_a_model_of_one_s_package",
        "bot/test_like_me.py::test_no_command_knows_it_for_anybody_else_admins_included",
        "bot/test_like_me.py::test_its_end_is_told_to_its_author_alone",
        "bot/test_like_me.py::test_it_goes_at_once_with_its_author",
        "e2e/test_channels.py::test_ones_own_words_make_a_model_of_ones_own",
    ),
    "exported files": (
        "bot/test_rooms.py::test_a_demoted_admin_exports_nothing_more",
        "bot/test_imports.py::test_a_file_that_may_not_be_used_is_refused_and_not_kept",
    ),
    "models of books": ("e2e/test_models.py::test_deleting_asks_first_and_only_the_asker_answers",),
    "an attached file": ("bot/test_uploads.py::test_files_are_read_in_another_process",),
    "your newest chat": (
        "bot/test_preview.py::test_what_was_cancelled_or_has_expired_is_not_learned",
        "bot/test_preview.py::test_a_person_s_newest_chat_is_kept",
        "bot/test_exports_of_members.py::test_of_this_server_only_members_who_agreed_are_learned",
    ),
    "an attached text": (
        "bot/test_job_client.py::test_a_training_waits_with_its_text",
        "bot/test_job_client.py::test_a_servers_oldest_uploads_are_dropped",
    ),
    "requests": (
        "bot/test_conversation.py::test_each_persons_words_are_held_as_theirs",
        "bot/test_conversation.py::test_nobody_elses_talk_is_used",
        "bot/test_privacy.py::test_forget_me_asks_and_then_forgets_and_confirms",
        "bot/test_privacy.py::test_requests_are_found_without_those_of_others",
        "bot/test_menus.py::test_words_under_a_text_stay_those_of_whoever_typed_them",
        "bot/test_menus.py::test_a_surprise_takes_nobody_elses_message",
    ),
    "trainings that you asked for": ("bot/test_privacy.py::test_the_file_has_all_of_one_person_and_nothing_of_others",),
    "generated texts": (
        "bot/test_rooms.py::test_a_card_shows_samples_only_while_all_its_readers_could_have_read_the_text",
        "bot/test_menus.py::test_who_asked_and_moderators_delete_a_text",
    ),
    "which request a text": ("bot/test_menus.py::test_an_answer_of_a_chat_is_known_for_a_month",),
    "personas": (
        "bot/talk/test_personas.py::test_personas_go_with_the_server",
        "bot/talk/test_personas.py::test_a_channel_that_is_deleted_is_left_out",
        "bot/talk/test_personas.py::test_the_webhooks_token_is_nowhere_else",
    ),
    "when the bot speaks": ("bot/talk/test_speaks.py::test_with_its_channel_all_is_forgotten",),
    "which models learn": ("bot/test_learn.py::test_it_is_forgotten_with_its_channel_and_with_its_server",),
    "your guess": (
        "bot/play/test_quiz.py::test_nothing_before_the_end_tells_which_one_is_real",
        "bot/play/test_quiz.py::test_forget_me_takes_guesses_and_scores_and_export_data_tells_them",
    ),
    "how many of your guesses": (
        "bot/play/test_quiz.py::test_tables_are_bounded",
        "bot/play/test_quiz.py::test_what_was_played_goes_with_the_server",
    ),
    "how many reactions": ("bot/play/test_best.py::test_it_is_bounded_and_what_is_old_goes",),
    "what admins set": ("bot/test_settings.py::test_unreadable_settings_can_be_reset_from_the_panel",),
    "backups": ("launcher/test_backup.py::test_all_comes_back_but_expired_and_withdrawn_words",),
    "logs": ("e2e/test_channels.py::test_nobodys_words_are_logged",),
}
"""How a row of the table begins, and the tests that hold it."""


def test_every_row_of_the_table_is_held_by_tests() -> None:
    table = POLICY.partition("## The table")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)[1:]
    assert [row for row in rows if not any(row.startswith(start) for start in HELD_BY)] == []
    assert [start for start in HELD_BY if not any(row.startswith(start) for row in rows)] == []


def test_the_tests_are_there() -> None:
    missing = [
        name
        for names in HELD_BY.values()
        for name in names
        for file, _, function in [name.partition("::")]
        if not re.search(rf"^(async )?def {function}\(", (ROOT / "tests" / file).read_text("utf-8"), re.MULTILINE)
    ]
    assert missing == []
