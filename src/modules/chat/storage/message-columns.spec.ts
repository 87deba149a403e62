import { getMetadataArgsStorage } from 'typeorm';
import { Message } from '../message.entity.js';
import { emptyMessage, MESSAGE_COLUMNS, SELECT_MESSAGE } from './message-columns.js';

const columns = getMetadataArgsStorage().filterColumns(Message);

describe('the columns of a message', () => {
  it('are those of the entity', () => {
    expect([...MESSAGE_COLUMNS].sort()).toEqual(columns.map(({ propertyName }) => propertyName).sort());
  });

  it('are selected by their names in the table, as the properties of the entity', () => {
    const selected = columns.map(({ propertyName, options }) => {
      const name = `${options.name ?? propertyName}${options.type === 'bigint' ? '::float8' : ''}`;
      return name === propertyName ? name : `${name} as "${propertyName}"`;
    });
    expect(SELECT_MESSAGE.split(/,\s+/).sort()).toEqual(selected.sort());
  });

  it('are all in a message that nothing has been said in yet', () => {
    const empty = emptyMessage('u', 'i', { sessionId: 's', createdAt: new Date(0) });
    expect([...Object.keys(empty), 'role', 'status', 'seq'].sort()).toEqual([...MESSAGE_COLUMNS].sort());
  });
});
