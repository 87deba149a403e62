import { ApiProperty, getSchemaPath } from '@nestjs/swagger';
import { INT32 } from '../../../platform/http/api-schema.js';
import { Problem } from '../../../platform/http/problem.js';
import { MessageResponse } from './message.dto.js';

/** A question and its answer. */
export class Turn {
  @ApiProperty({ format: 'uuid' })
  session_id: string;

  @ApiProperty({ type: MessageResponse })
  user_message: MessageResponse;

  @ApiProperty({ type: MessageResponse })
  assistant_message: MessageResponse;
}

/** Both messages are stored, and the model is being asked. */
export class TurnStartedEvent extends Turn {
  @ApiProperty({ enum: ['turn.started'] })
  type: 'turn.started';
}

/** The next piece of the answer. */
export class MessageDeltaEvent {
  @ApiProperty({ enum: ['message.delta'] })
  type: 'message.delta';

  @ApiProperty({ format: 'uuid' })
  message_id: string;

  @ApiProperty({ description: 'The text to append to what came before.' })
  text: string;
}

/** Another instance has taken over and begins the answer from the start: drop the text so far. */
export class TurnRestartedEvent {
  @ApiProperty({ enum: ['turn.restarted'] })
  type: 'turn.restarted';

  @ApiProperty({ format: 'uuid' })
  message_id: string;

  @ApiProperty({ ...INT32, description: 'The number of the attempt, from 1.' })
  attempt: number;
}

/** The answer is complete. */
export class TurnCompletedEvent {
  @ApiProperty({ enum: ['turn.completed'] })
  type: 'turn.completed';

  @ApiProperty({ type: MessageResponse })
  assistant_message: MessageResponse;
}

/** A client stopped the answer. The text so far is kept. */
export class TurnStoppedEvent {
  @ApiProperty({ enum: ['turn.stopped'] })
  type: 'turn.stopped';

  @ApiProperty({ type: MessageResponse })
  assistant_message: MessageResponse;
}

/** The turn ended without a complete answer. `problem` is what the plain route would have answered. */
export class TurnFailedEvent {
  @ApiProperty({ enum: ['turn.failed'] })
  type: 'turn.failed';

  @ApiProperty({ type: MessageResponse })
  assistant_message: MessageResponse;

  @ApiProperty({ type: Problem })
  problem: Problem;
}

/** The events of a stream, by name. */
const TURN_EVENTS = {
  'turn.started': TurnStartedEvent,
  'message.delta': MessageDeltaEvent,
  'turn.restarted': TurnRestartedEvent,
  'turn.completed': TurnCompletedEvent,
  'turn.stopped': TurnStoppedEvent,
  'turn.failed': TurnFailedEvent,
} as const;

export const TURN_EVENT_MODELS = [Turn, ...Object.values(TURN_EVENTS)];

/** The data of one event. In the OpenAPI document it is the union `TurnEvent`, which generators tell apart by `type`. */
export type TurnEvent = InstanceType<(typeof TURN_EVENTS)[keyof typeof TURN_EVENTS]>;

export const turnEventSchema = {
  description:
    'The `data` of one server-sent event, as JSON. `type` equals the name of the event. The `id` of the event is where a client resumes. More types may be added: ignore those that you do not know.',
  oneOf: Object.values(TURN_EVENTS).map((model) => ({ $ref: getSchemaPath(model) })),
  discriminator: {
    propertyName: 'type',
    mapping: Object.fromEntries(Object.entries(TURN_EVENTS).map(([type, model]) => [type, getSchemaPath(model)])),
  },
};
export const turnEventRef = { $ref: getSchemaPath('TurnEvent') };
