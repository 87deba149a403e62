-- MessagesRepository.find
SELECT "Message"."user_id" AS "Message_user_id", "Message"."id" AS "Message_id", "Message"."session_id" AS "Message_session_id", "Message"."parent_id" AS "Message_parent_id", "Message"."path_length" AS "Message_path_length", "Message"."seq" AS "Message_seq", "Message"."role" AS "Message_role", "Message"."content" AS "Message_content", "Message"."parts" AS "Message_parts", "Message"."sealed" AS "Message_sealed", "Message"."content_tokens" AS "Message_content_tokens", "Message"."status" AS "Message_status", "Message"."attempt" AS "Message_attempt", "Message"."finish_reason" AS "Message_finish_reason", "Message"."provider" AS "Message_provider", "Message"."model" AS "Message_model", "Message"."generation_id" AS "Message_generation_id", "Message"."input_tokens" AS "Message_input_tokens", "Message"."output_tokens" AS "Message_output_tokens", "Message"."cached_input_tokens" AS "Message_cached_input_tokens", "Message"."is_usage_estimated" AS "Message_is_usage_estimated", "Message"."cost_micro_usd" AS "Message_cost_micro_usd", "Message"."error_code" AS "Message_error_code", "Message"."error_detail" AS "Message_error_detail", "Message"."context" AS "Message_context", "Message"."feedback_rating" AS "Message_feedback_rating", "Message"."feedback_comment" AS "Message_feedback_comment", "Message"."sealed_comment" AS "Message_sealed_comment", "Message"."created_at" AS "Message_created_at", "Message"."completed_at" AS "Message_completed_at"
FROM "messages" "Message"
WHERE (("Message"."user_id" = $1) AND ("Message"."id" = $2))
LIMIT 1;

-- MessagesRepository.get
SELECT "Message"."user_id" AS "Message_user_id", "Message"."id" AS "Message_id", "Message"."session_id" AS "Message_session_id", "Message"."parent_id" AS "Message_parent_id", "Message"."path_length" AS "Message_path_length", "Message"."seq" AS "Message_seq", "Message"."role" AS "Message_role", "Message"."content" AS "Message_content", "Message"."parts" AS "Message_parts", "Message"."sealed" AS "Message_sealed", "Message"."content_tokens" AS "Message_content_tokens", "Message"."status" AS "Message_status", "Message"."attempt" AS "Message_attempt", "Message"."finish_reason" AS "Message_finish_reason", "Message"."provider" AS "Message_provider", "Message"."model" AS "Message_model", "Message"."generation_id" AS "Message_generation_id", "Message"."input_tokens" AS "Message_input_tokens", "Message"."output_tokens" AS "Message_output_tokens", "Message"."cached_input_tokens" AS "Message_cached_input_tokens", "Message"."is_usage_estimated" AS "Message_is_usage_estimated", "Message"."cost_micro_usd" AS "Message_cost_micro_usd", "Message"."error_code" AS "Message_error_code", "Message"."error_detail" AS "Message_error_detail", "Message"."context" AS "Message_context", "Message"."feedback_rating" AS "Message_feedback_rating", "Message"."feedback_comment" AS "Message_feedback_comment", "Message"."sealed_comment" AS "Message_sealed_comment", "Message"."created_at" AS "Message_created_at", "Message"."completed_at" AS "Message_completed_at"
FROM "messages" "Message"
WHERE (("Message"."user_id" = $1) AND ("Message"."id" = $2))
LIMIT 1;

-- MessagesRepository.list
SELECT "Message"."user_id" AS "Message_user_id", "Message"."id" AS "Message_id", "Message"."session_id" AS "Message_session_id", "Message"."parent_id" AS "Message_parent_id", "Message"."path_length" AS "Message_path_length", "Message"."seq" AS "Message_seq", "Message"."role" AS "Message_role", "Message"."content" AS "Message_content", "Message"."parts" AS "Message_parts", "Message"."sealed" AS "Message_sealed", "Message"."content_tokens" AS "Message_content_tokens", "Message"."status" AS "Message_status", "Message"."attempt" AS "Message_attempt", "Message"."finish_reason" AS "Message_finish_reason", "Message"."provider" AS "Message_provider", "Message"."model" AS "Message_model", "Message"."generation_id" AS "Message_generation_id", "Message"."input_tokens" AS "Message_input_tokens", "Message"."output_tokens" AS "Message_output_tokens", "Message"."cached_input_tokens" AS "Message_cached_input_tokens", "Message"."is_usage_estimated" AS "Message_is_usage_estimated", "Message"."cost_micro_usd" AS "Message_cost_micro_usd", "Message"."error_code" AS "Message_error_code", "Message"."error_detail" AS "Message_error_detail", "Message"."context" AS "Message_context", "Message"."feedback_rating" AS "Message_feedback_rating", "Message"."feedback_comment" AS "Message_feedback_comment", "Message"."sealed_comment" AS "Message_sealed_comment", "Message"."created_at" AS "Message_created_at", "Message"."completed_at" AS "Message_completed_at"
FROM "messages" "Message"
WHERE (("Message"."user_id" = $1) AND ("Message"."session_id" = $2))
ORDER BY "Message"."seq" ASC
LIMIT 21;

-- MessagesRepository.list
SELECT "Message"."user_id" AS "Message_user_id", "Message"."id" AS "Message_id", "Message"."session_id" AS "Message_session_id", "Message"."parent_id" AS "Message_parent_id", "Message"."path_length" AS "Message_path_length", "Message"."seq" AS "Message_seq", "Message"."role" AS "Message_role", "Message"."content" AS "Message_content", "Message"."parts" AS "Message_parts", "Message"."sealed" AS "Message_sealed", "Message"."content_tokens" AS "Message_content_tokens", "Message"."status" AS "Message_status", "Message"."attempt" AS "Message_attempt", "Message"."finish_reason" AS "Message_finish_reason", "Message"."provider" AS "Message_provider", "Message"."model" AS "Message_model", "Message"."generation_id" AS "Message_generation_id", "Message"."input_tokens" AS "Message_input_tokens", "Message"."output_tokens" AS "Message_output_tokens", "Message"."cached_input_tokens" AS "Message_cached_input_tokens", "Message"."is_usage_estimated" AS "Message_is_usage_estimated", "Message"."cost_micro_usd" AS "Message_cost_micro_usd", "Message"."error_code" AS "Message_error_code", "Message"."error_detail" AS "Message_error_detail", "Message"."context" AS "Message_context", "Message"."feedback_rating" AS "Message_feedback_rating", "Message"."feedback_comment" AS "Message_feedback_comment", "Message"."sealed_comment" AS "Message_sealed_comment", "Message"."created_at" AS "Message_created_at", "Message"."completed_at" AS "Message_completed_at"
FROM "messages" "Message"
WHERE (("Message"."user_id" = $1) AND ("Message"."session_id" = $2) AND ("Message"."seq" > $3))
ORDER BY "Message"."seq" ASC
LIMIT 21;

-- MessagesRepository.list
SELECT "Message"."user_id" AS "Message_user_id", "Message"."id" AS "Message_id", "Message"."session_id" AS "Message_session_id", "Message"."parent_id" AS "Message_parent_id", "Message"."path_length" AS "Message_path_length", "Message"."seq" AS "Message_seq", "Message"."role" AS "Message_role", "Message"."content" AS "Message_content", "Message"."parts" AS "Message_parts", "Message"."sealed" AS "Message_sealed", "Message"."content_tokens" AS "Message_content_tokens", "Message"."status" AS "Message_status", "Message"."attempt" AS "Message_attempt", "Message"."finish_reason" AS "Message_finish_reason", "Message"."provider" AS "Message_provider", "Message"."model" AS "Message_model", "Message"."generation_id" AS "Message_generation_id", "Message"."input_tokens" AS "Message_input_tokens", "Message"."output_tokens" AS "Message_output_tokens", "Message"."cached_input_tokens" AS "Message_cached_input_tokens", "Message"."is_usage_estimated" AS "Message_is_usage_estimated", "Message"."cost_micro_usd" AS "Message_cost_micro_usd", "Message"."error_code" AS "Message_error_code", "Message"."error_detail" AS "Message_error_detail", "Message"."context" AS "Message_context", "Message"."feedback_rating" AS "Message_feedback_rating", "Message"."feedback_comment" AS "Message_feedback_comment", "Message"."sealed_comment" AS "Message_sealed_comment", "Message"."created_at" AS "Message_created_at", "Message"."completed_at" AS "Message_completed_at"
FROM "messages" "Message"
WHERE (("Message"."user_id" = $1) AND ("Message"."session_id" = $2) AND ("Message"."seq" < $3) AND ("Message"."id" IN ($4)))
ORDER BY "Message"."seq" DESC
LIMIT 21;

-- MessagesRepository.listPathIds
with recursive path as (
  select id, parent_id, seq from messages where user_id = $1 and session_id = $2 and id = $3
  union all
  select m.id, m.parent_id, m.seq from path p join messages m on m.user_id = $1 and m.id = p.parent_id
), page as (
  select id, seq from path where seq > $4 order by seq limit $5
)
select id from page;

-- MessagesRepository.listPathIds
with recursive path as (
  select id, parent_id, seq from messages where user_id = $1 and session_id = $2 and id = $3
  union all
  select m.id, m.parent_id, m.seq from path p join messages m on m.user_id = $1 and m.id = p.parent_id
), page as (
  select id, seq from path where seq < $4  limit $5
)
select id from page;

-- MessagesRepository.listSiblingIds
SELECT "Message"."user_id" AS "Message_user_id", "Message"."id" AS "Message_id", "Message"."parent_id" AS "Message_parent_id"
FROM "messages" "Message"
WHERE (((("Message"."user_id" = $1) AND ("Message"."session_id" = $2) AND ("Message"."parent_id" IN ($3)))) OR ((("Message"."user_id" = $4) AND ("Message"."session_id" = $5) AND ("Message"."parent_id" IS NULL))))
ORDER BY "Message"."seq" ASC;

-- MessagesRepository.rate
UPDATE "messages"
SET "feedback_rating" = $1, "feedback_comment" = $2, "sealed_comment" = $3
WHERE ("user_id" = $4 AND "id" = $5);

