import { IsBoolean, IsNotEmpty, IsOptional, IsString, IsUUID, MaxLength } from 'class-validator';

export class SendMessageDto {
  @IsUUID()
  project_id: string;

  @IsOptional()
  @IsUUID()
  session_id?: string;

  @IsString()
  @IsNotEmpty()
  @MaxLength(100_000)
  message: string;

  @IsOptional()
  @IsBoolean()
  stream?: boolean;
}
