import { getMetadataArgsStorage } from 'typeorm';
import { Message } from '../message.entity.js';
import { emptyMessage, MESSAGE_COLUMNS, SELECT_MESSAGE } from './message-columns.js';

const columns = getMetadataArgsStorage().filterColumns(Message);

describe('the columns of a message', () => {
  it('are those of the entity', () => {
    expect([...MESSAGE_COLUMNS].sort()).toEqual(columns.map(({ propertyName }) => propertyName).sort());
  });

  it('are selected under the property names of the entity', () => {
    const selected = columns.map(({ propertyName, options }) => {
      const name = `${options.name ?? propertyName}${options.type === 'bigint' ? '::float8' : ''}`;
      return name === propertyName ? name : `${name} as "${propertyName}"`;
    });
    expect(SELECT_MESSAGE.split(/,\s+/).sort()).toEqual(selected.sort());
  });

  it('are all present in an empty message', () => {
    const empty = emptyMessage('u', 'i', { sessionId: 's', createdAt: new Date(0) });
    expect([...Object.keys(empty), 'role', 'status', 'seq'].sort()).toEqual([...MESSAGE_COLUMNS].sort());
  });
});
