/**
 * The ordinary Nest way: Express, TypeORM repositories entity by entity, class-validator, passport-jwt with a guard that
 * loads the user, and the openai SDK, each as its documentation shows it. Its tables are its own, made by `synchronize`.
 */
import 'reflect-metadata';
import { Module, ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { PassportModule } from '@nestjs/passport';
import { DataSource } from 'typeorm';
import { JwtStrategy } from './auth.js';
import { ChatController } from './chat.controller.js';
import { ChatService } from './chat.service.js';
import { ChatSession, Message, Project, Prompt, User } from './entities.js';

const database = {
  provide: DataSource,
  useFactory: () =>
    new DataSource({
      type: 'postgres',
      url: process.env.DATABASE_URL as string,
      entities: [User, Project, Prompt, ChatSession, Message],
      synchronize: true,
      poolSize: Number(process.env.DATABASE_POOL_SIZE),
    }).initialize(),
};

@Module({
  imports: [PassportModule],
  controllers: [ChatController],
  providers: [database, JwtStrategy, ChatService],
})
class AppModule {}

process.on('disconnect', () => process.exit());
const app = await NestFactory.create(AppModule, { logger: false });
app.useGlobalPipes(new ValidationPipe({ whitelist: true, transform: true }));
await app.listen(Number(process.env.PORT), '127.0.0.1');
