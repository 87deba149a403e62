import { ApiProperty, getSchemaPath } from '@nestjs/swagger';
import { Problem } from '../../../platform/http/problem.js';
import { MessageResponse } from './message.dto.js';

/** The answer to a turn that is not streamed. */
export class Turn {
  @ApiProperty({ format: 'uuid' })
  session_id: string;

  @ApiProperty({ type: MessageResponse })
  user_message: MessageResponse;

  @ApiProperty({ type: MessageResponse })
  assistant_message: MessageResponse;
}

/** `turn.started`: both messages exist and are saved; the model is being asked. */
export class TurnStartedEvent extends Turn {}

/** `message.delta`: the next piece of the answer. */
export class MessageDeltaEvent {
  @ApiProperty({ format: 'uuid' })
  message_id: string;

  @ApiProperty()
  text: string;
}

/** `turn.restarted`: another instance took over and begins the answer anew; drop the text so far. */
export class TurnRestartedEvent {
  @ApiProperty({ format: 'uuid' })
  message_id: string;

  @ApiProperty({ type: 'integer' })
  attempt: number;
}

/** `turn.completed`: the whole answer. */
export class TurnCompletedEvent {
  @ApiProperty({ type: MessageResponse })
  assistant_message: MessageResponse;
}

/** `turn.stopped`: somebody stopped it; the text so far is kept. */
export class TurnStoppedEvent extends TurnCompletedEvent {}

/** `turn.failed`: it ended without an answer; the problem is the one of the plain route. */
export class TurnFailedEvent extends TurnCompletedEvent {
  @ApiProperty({ type: Problem })
  problem: Problem;
}

/** What a stream can carry, by the name of its event. */
export const TURN_EVENTS = {
  'turn.started': TurnStartedEvent,
  'message.delta': MessageDeltaEvent,
  'turn.restarted': TurnRestartedEvent,
  'turn.completed': TurnCompletedEvent,
  'turn.stopped': TurnStoppedEvent,
  'turn.failed': TurnFailedEvent,
} as const;

export const TURN_EVENT_MODELS = [Turn, ...Object.values(TURN_EVENTS)];

/** One event of a stream as a schema: its name decides what its data is, so that a generator makes a union of types. */
export const turnEventSchema = {
  description: 'One server-sent event: `event` is its name, `data` its data as JSON, `id` where to resume after it.',
  oneOf: Object.entries(TURN_EVENTS).map(([event, model]) => ({
    type: 'object',
    properties: {
      id: { type: 'string', example: '1.42' },
      event: { type: 'string', enum: [event] },
      data: { $ref: getSchemaPath(model) },
    },
    required: ['id', 'event', 'data'],
  })),
};
export const turnEventRef = { $ref: getSchemaPath('TurnEvent') };
